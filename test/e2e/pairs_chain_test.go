//go:build linux

package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// chainProgram has an image on an image on an image. Each runs a step whose result is another one each time. It also
// has an image of two platforms on another one. The labels of the watcher show what a preview knows.
const chainProgram = `resources:
  base:
    type: buildkit:Image
    properties:
      context: { location: base }
      platforms: [linux/amd64]
      network: none
      BUILDER
      tags: ["REPO/base:1"]
      secrets: { token: hidden }
  app:
    type: buildkit:Image
    properties:
      context: { location: app }
      buildArgs: { PARENT: "${base.repoDigest}" }
      platforms: [linux/amd64]
      network: none
      BUILDER
      tags: ["REPO/app:1"]
  third:
    type: buildkit:Image
    properties:
      dockerfile: { inline: "FROM ${app.ref}\nRUN test -s /base -a -s /app && cat RANDOM >/third\n" }
      platforms: [linux/amd64]
      network: none
      BUILDER
      tags: ["REPO/third:1"]
  wide:
    type: buildkit:Image
    properties:
      dockerfile: { inline: "FROM scratch\nCOPY base/file /\n" }
      platforms: [linux/amd64, linux/arm64]
      BUILDER
      tags: ["REPO/wide:1"]
  wider:
    type: buildkit:Image
    properties:
      dockerfile: { inline: "FROM ${wide.ref}\nWORKDIR /wider\n" }
      platforms: [linux/arm64, linux/amd64]
      BUILDER
      tags: ["REPO/wider:1"]
  watcher:
    type: buildkit:Image
    properties:
      dockerfile: { inline: "FROM scratch\nCOPY Pulumi.yaml /\n" }
      buildOnPreview: false
      BUILDER
      labels:
        base: ${base.digest}
        app: ${app.digest}
        third: ${third.digest}
        wide: ${wide.digest}
        wider: ${wider.digest}
`

// chainStack returns a stack of chainProgram. builder is the input of this name, or "".
func chainStack(t *testing.T, builder string) *stack.Test {
	t.Helper()
	const random = "/proc/sys/kernel/random/uuid"
	text := strings.NewReplacer("RANDOM", random, "BUILDER", strings.TrimSpace(builder)).Replace(chainProgram)
	return openOn(t, nil, program(t, text, map[string]string{
		"base/Dockerfile": "FROM " + shared.Base + "\nENV BASE=1\nCOPY file /\n" +
			"RUN --mount=type=secret,id=token,required test -s /run/secrets/token && cat " + random + " >/base\n",
		"base/file": "one",
		"app/Dockerfile": "ARG PARENT\nFROM $PARENT\nCOPY check /\n" +
			"RUN --mount=type=secret,id=token sh /check && cat " + random + " >/app\n",
		"app/check": "test ! -e /run/secrets/token",
	}))
}

// A preview builds images on images that no registry has. It knows their digests, which are those of the update.
func TestPreviewBuildsOnImagesOfThePreview(t *testing.T) {
	t.Parallel()
	for name, builder := range map[string]func() string{
		"embedded":               func() string { return "" },
		"Docker Engine, classic": func() string { return endpointOf(t, &classicEngine) },
		"elsewhere":              func() string { return elsewhere.endpoint(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkChain(t, chainStack(t, builder()))
		})
	}
}

// checkChain previews and updates chainProgram twice.
func checkChain(t *testing.T, s *stack.Test) {
	t.Helper()
	previewed := func() map[string]any {
		t.Helper()
		labels, _ := previewSteps(t, s)["watcher"].input("labels").(map[string]any)
		return labels
	}
	updated := func(want map[string]any, texts ...string) {
		t.Helper()
		up := s.Up()
		succeeds(t, up, texts...)
		if text := diagnostics(up); strings.Contains(text, "not built") {
			t.Errorf("the preview did not build:\n%s", text)
		}
		resources := resourcesByName(s)
		for _, name := range []string{"base", "app", "third", "wide", "wider"} {
			got := resources[name].Outputs["digest"]
			if got != want[name] || got != tagDigest(t, repository(t)+"/"+name+":1") {
				t.Errorf("the preview said that the digest of %s is %v, the update made it %v, and the registry has %s",
					name, want[name], got, tagDigest(t, repository(t)+"/"+name+":1"))
			}
		}
		succeeds(t, s.Up("--expect-no-changes"))
	}
	first := previewed()
	if got := tagDigest(t, repository(t)+"/base:1"); got != "" {
		t.Fatalf("the preview pushed %s", got)
	}
	updated(first, "+ 7 created")

	must(t, s.Write("base/file", "two"))
	second := previewed()
	updated(second, "~ 6 updated")
	for name := range first {
		if first[name] == second[name] {
			t.Errorf("the digest of %s stays %v, although the base is another one", name, first[name])
		}
	}
}

// A step that fails on an image of the preview fails the preview, which names it.
func TestPreviewFailsOnAnImageOfThePreview(t *testing.T) {
	t.Parallel()
	s := chainStack(t, "")
	must(t, s.Write("app/check", "echo last words; exit 9"))
	preview := s.Preview()
	fails(t, preview, "exit code 9", "last words", "RUN --mount=type=secret,id=token sh /check", repository(t)+"/base")
	if strings.Contains(preview.All(), "hidden") || strings.Contains(preview.All(), "unpushed") {
		t.Errorf("the preview shows what nobody is to see:\n%s", preview.All())
	}
	must(t, s.Write("app/check", "true"))
	succeeds(t, s.Preview())
}

// apartProgram has images on base, which the preview of base does not help to build: the builder of one is another one,
// and a step of the other one needs a layer that the builder never fetched.
const apartProgram = `resources:
  base:
    type: buildkit:Image
    properties:
      dockerfile: { inline: "FROM REPO/layers:1\nENV BASE=1\n" }
      platforms: [linux/amd64]
      tags: ["REPO/base:1"]
  other:
    type: buildkit:Image
    properties:
      dockerfile: { inline: "FROM ${base.ref}\nENV OTHER=1\n" }
      platforms: [linux/amd64]
      tags: ["REPO/other:1"]
      BUILDER
  lazy:
    type: buildkit:Image
    properties:
      dockerfile: { inline: "FROM ${base.ref}\nWORKDIR /lazy\n" }
      platforms: [linux/amd64]
      tags: ["REPO/lazy:1"]
`

// A preview that has no use of the base image that it built says so, and claims no digest.
func TestPreviewCannotBuildOnAnImageOfThePreview(t *testing.T) {
	t.Parallel()
	layers, err := name.NewTag(repository(t) + "/layers:1")
	must(t, err)
	must(t, remote.Write(layers, registrytest.Image(t, "linux/amd64"), remote.WithContext(t.Context())))
	builder := strings.TrimSpace(elsewhere.endpoint(t))
	s := open(t, program(t, strings.ReplaceAll(apartProgram, "BUILDER", builder), nil))
	up := s.Up()
	succeeds(t, up, "+ 4 created")
	text := diagnostics(up)
	for line, want := range map[string]int{
		"not built": 2,
		"not built in this preview: its base image " + repository(t) + "/base@sha256:": 2,
		" is made by the image base of this update":                                    2,
	} {
		if got := strings.Count(text, line); got != want {
			t.Errorf("%d lines say %q, want %d:\n%s", got, line, want, text)
		}
	}
	succeeds(t, s.Up("--expect-no-changes"))
}

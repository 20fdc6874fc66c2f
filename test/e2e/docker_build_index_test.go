//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// dockerBuildIndexes has the program of an Index of docker-build, and the state that one pulumi up with each version of
// the real plugin left. REGISTRY stands for the registry.
const dockerBuildIndexes = "testdata/docker-build/indexes"

// TestMoveAnIndexFromDockerBuild changes one word in a program that docker-build 0.0.6 has deployed: the index is taken
// over without a write, and then belongs to us.
func TestMoveAnIndexFromDockerBuild(t *testing.T) {
	t.Parallel()
	registry := registrytest.New(t)
	digest := pushAsDockerBuild(t, registry)
	s := openMovedIndex(t, registry, "0.0.6", digest)
	tag := registry.Host() + "/moved/index:latest"
	before := registry.Requests()
	preview := s.Preview("--diff")
	succeeds(t, preview, "~ 1 to update")
	if strings.Contains(preview.All(), "<null>") || strings.Contains(preview.All(), "+ digest") {
		t.Errorf("the preview shows an empty digest:\n%s", preview.All())
	}
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	if written := writes(registry.Requests()[len(before):]); len(written) > 0 {
		t.Errorf("the registry was changed: %v", written)
	}
	outputs := resourcesByName(s)["index"].Outputs
	for name, want := range map[string]string{"digest": digest, "ref": tag + "@" + digest} {
		if outputs[name] != want {
			t.Errorf("%s is %v, want %q", name, outputs[name], want)
		}
	}
	if _, ok := outputs["registry"]; ok {
		t.Errorf("the outputs still have registry: %v", outputs)
	}
	checkMovedIndex(t, s, tag, digest)
}

// TestMoveAnIndexThatWasNotPushed moves the state of docker-build 0.0.1, which pushed only with push: true. The preview
// shows the difference, and the update makes the index.
func TestMoveAnIndexThatWasNotPushed(t *testing.T) {
	t.Parallel()
	registry := registrytest.New(t)
	digest := pushAsDockerBuild(t, registry)
	tag := registry.Host() + "/moved/index:latest"
	reference, err := name.ParseReference(tag)
	must(t, err)
	must(t, remote.Delete(reference))
	s := openMovedIndex(t, registry, "0.0.1", "")
	succeeds(t, s.Preview("--diff"), "~ 1 to update", "push")
	if got := tagDigest(t, tag); got != "" {
		t.Errorf("the preview tagged %s", got)
	}
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	checkMovedIndex(t, s, tag, digest)
}

// checkMovedIndex checks that the tag holds the digest, that nothing is left to do, and that destroy removes the tag
// alone.
func checkMovedIndex(t *testing.T, s *stack.Test, tag, digest string) {
	t.Helper()
	if got := tagDigest(t, tag); got != digest {
		t.Errorf("the tag holds %s, want %s", got, digest)
	}
	succeeds(t, s.Up("--refresh", "--expect-no-changes", "--skip-preview"))
	succeeds(t, s.Destroy("--skip-preview"))
	if got := tagDigest(t, tag); got != "" {
		t.Errorf("the tag is left, and holds %s", got)
	}
	for _, source := range []string{"amd64", "arm64"} {
		if tagDigest(t, repositoryOf(tag)+":"+source) == "" {
			t.Errorf("the image %s is gone", source)
		}
	}
}

// openMovedIndex opens a stack with the recorded state of a version. The program names our package, and the index in
// the state has the digest.
func openMovedIndex(t *testing.T, registry *registrytest.Registry, version, digest string) *stack.Test {
	t.Helper()
	read := func(file string) []byte {
		text, err := os.ReadFile(filepath.Join(dockerBuildIndexes, file))
		must(t, err)
		return bytes.ReplaceAll(text, []byte("REGISTRY"), []byte(registry.Host()))
	}
	program := bytes.Replace(read("Pulumi.yaml"), []byte("type: docker-build:Index\n"), []byte("type: buildkit:Index\n"+
		"    options: { aliases: [{ type: \"docker-build:index:Index\" }] }\n"), 1)
	s := stack.New(t, stack.Config{
		Bin: shared.Bin, Program: fstest.MapFS{"Pulumi.yaml": {Data: program}}, Daemon: shared.Daemon,
		Idle: 5 * time.Second,
	})
	text := bytes.ReplaceAll(read(version+".json"), []byte("urn:pulumi:s-index::"), []byte("urn:pulumi:dev::"))
	text = bytes.ReplaceAll(text, []byte("::moved-s-index"), []byte("::moved-dev"))
	text = digestText.ReplaceAll(text, []byte(digest))
	var state struct{ Deployment struct{ Resources []any } }
	must(t, json.Unmarshal(text, &state))
	decrypt(state.Deployment.Resources, "")
	importResources(t, s, state.Deployment.Resources)
	return s
}

// pushAsDockerBuild pushes two images and the index that docker-build makes of them, and returns its digest. That is
// the index of docker buildx imagetools create, to the byte.
func pushAsDockerBuild(t *testing.T, registry *registrytest.Registry) (digest string) {
	t.Helper()
	var entries []string
	for _, arch := range []string{"amd64", "arm64"} {
		image := registrytest.Image(t, "linux/"+arch)
		pushed := registry.Push(t, "moved/index:"+arch, image)
		size, err := image.Size()
		must(t, err)
		entries = append(entries, fmt.Sprintf(`    {
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": %q,
      "size": %d,
      "platform": {
        "architecture": %q,
        "os": "linux"
      }
    }`, pushed, size, arch))
	}
	index := rawIndex(`{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.index.v1+json",
  "manifests": [
` + strings.Join(entries, ",\n") + `
  ]
}`)
	reference, err := name.ParseReference(registry.Host() + "/moved/index:latest")
	must(t, err)
	must(t, remote.Put(reference, index))
	hash, _, err := v1.SHA256(strings.NewReader(string(index)))
	must(t, err)
	return hash.String()
}

// rawIndex is the text of an index.
type rawIndex string

// RawManifest implements remote.Taggable.
func (r rawIndex) RawManifest() ([]byte, error) { return []byte(r), nil }

// MediaType is that of an OCI index.
func (r rawIndex) MediaType() (types.MediaType, error) { return types.OCIImageIndex, nil }

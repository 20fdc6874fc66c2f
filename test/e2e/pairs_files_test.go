//go:build linux

package e2e

import (
	"strings"
	"testing"
)

// siteProgram has images that read files which the image site exports, and one that reads none.
const siteProgram = `resources:
  site:
    type: buildkit:Image
    properties:
      context: { location: src }
      dockerfile: { inline: "FROM scratch\nCOPY . /\n" }
      platforms: [linux/amd64]
      exports: [{ local: { dest: out/site } }]
      buildOnPreview: false
  at:
    type: buildkit:Image
    properties: { context: { location: out/site }, dockerfile: { inline: "FROM scratch\nCOPY index.html /at\n" } }
    options: { dependsOn: ["${site}"] }
  below:
    type: buildkit:Image
    properties: { context: { location: out/site/nested } }
    options: { dependsOn: ["${site}"], provider: "${configured}" }
  above:
    type: buildkit:Image
    properties: { context: { location: out }, dockerfile: { inline: "FROM scratch\nCOPY site/index.html /above\n" } }
    options: { dependsOn: ["${site}"] }
  recipe:
    type: buildkit:Image
    properties: { context: { location: src }, dockerfile: { location: out/site/nested/Dockerfile } }
    options: { dependsOn: ["${site}"] }
  named:
    type: buildkit:Image
    properties:
      context: { location: src, named: { files: { location: out/site } } }
      dockerfile: { inline: "FROM scratch\nCOPY --from=files index.html /named\n" }
    options: { dependsOn: ["${site}"] }
  copied:
    type: buildkit:Image
    properties: { dockerfile: { inline: "FROM scratch\nCOPY out/site/index.html /copied\n" } }
    options: { dependsOn: ["${site}"] }
  secret:
    type: buildkit:Image
    properties:
      dockerfile: { inline: "FROM BASE\nRUN --mount=type=secret,id=token,required cat /run/secrets/token\n" }
      secretSources: { token: { file: out/site/token } }
    options: { dependsOn: ["${site}"] }
  apart:
    type: buildkit:Image
    properties: { dockerfile: { inline: "FROM scratch\nCOPY Pulumi.yaml /apart\n" } }
    options: { dependsOn: ["${site}"] }
  configured: { type: "pulumi:providers:buildkit", properties: { maxParallelBuilds: 4 } }
`

// Without a build, a preview writes no files. Files that another image of the program will write are unknown to their
// readers, and not an error.
func TestImagesBuiltFromFilesOfImages(t *testing.T) {
	t.Parallel()
	readers := []string{"at", "below", "above", "recipe", "named", "copied"}
	s := open(t, program(t, strings.ReplaceAll(siteProgram, "BASE", shared.Base), map[string]string{
		"src/nested/Dockerfile": "FROM scratch\nCOPY index.html /nested\n", "src/nested/index.html": "one",
		"src/index.html": "one", "src/token": "one",
	}))
	steps := previewSteps(t, s)
	for _, name := range readers {
		if got := steps[name].input("contextHash"); got != unknown {
			t.Errorf("the preview says that the contextHash of %s is %v", name, got)
		}
	}
	if got := steps["apart"].input("contextHash"); got == unknown {
		t.Error("the contextHash of an image that reads none of these files is unknown too")
	}
	up := s.Up()
	const line = "not built in this preview: it reads out/site, which the image site of this update writes"
	succeeds(t, up, "+ 11 created", line)
	if got := strings.Count(diagnostics(up), line); got != len(readers)+1 {
		t.Errorf("%d images of %d say why they are not built:\n%s", got, len(readers)+1, up.Stdout)
	}
	succeeds(t, s.Up("--expect-no-changes"))

	// A change builds the readers again, and no other image.
	must(t, s.Write("src/index.html", "two"))
	succeeds(t, s.Up(), "~ 6 updated")
	succeeds(t, s.Up("--expect-no-changes"))
}

// An input that no resource makes is an error of the preview.
func TestMissingInputsFailThePreview(t *testing.T) {
	t.Parallel()
	const remedy = "If another resource makes it, take the path from an output of that resource"
	for name, c := range map[string]struct{ properties, says string }{
		"a base":       {"dockerfile: { inline: \"FROM REPO/nobody:1\\n\" }", "nobody:1"},
		"a folder":     {"context: { location: nowhere }", remedy},
		"a Dockerfile": {"dockerfile: { location: nowhere }", remedy},
		"a file":       {"dockerfile: { inline: \"FROM scratch\\nCOPY nowhere /\\n\" }", remedy},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fails(t, open(t, project(t, c.properties+"\nplatforms: [linux/amd64]\n", nil)).Preview(), c.says)
		})
	}
}

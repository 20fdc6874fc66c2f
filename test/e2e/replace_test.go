//go:build linux

package e2e

import (
	"cmp"
	"io/fs"
	"testing"
)

// replaceableProgram returns a program with two images. The first has the given provider, name, options and label.
func replaceableProgram(t testing.TB, provider, name, options, label string) fs.FS {
	t.Helper()
	return program(t, `resources:
  `+provider+`: { type: "pulumi:providers:buildkit", properties: { maxParallelBuilds: 2 } }
  `+name+`:
    type: buildkit:Image
    options: { provider: "${`+provider+`}"`+options+` }
    properties:
      context: { location: . }
      platforms: [linux/amd64]
      tags: ["REPO:1", "REPO:2"]
      labels: { a: `+label+` }
  beside:
    type: buildkit:Image
    properties: { context: { location: . }, platforms: [linux/amd64], tags: ["REPO:beside"], labels: { a: `+label+` } }
`, map[string]string{"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "x"})
}

// urn returns the URN of an Image.
func urn(name string) string { return "urn:pulumi:dev::app::buildkit:index:Image::" + name }

// replacements holds ways to replace an image, with a line of the output. Each goes on where the one before it ended.
var replacements = []struct {
	how                     string
	provider, name, options string
	label                   string // default: a
	args                    []string
	says                    string
}{
	{how: "--replace", provider: "one", name: "app", args: []string{"--replace", urn("app")}, says: "+-1 replaced"},
	{
		how: "--target-replace", provider: "one", name: "app",
		args: []string{"--target-replace", urn("app")}, says: "+-1 replaced",
	},
	{
		how: "deleted first", provider: "one", name: "app", options: ", deleteBeforeReplace: true",
		args: []string{"--replace", urn("app")}, says: "+-1 replaced",
	},
	{how: "a new name", provider: "one", name: "app2", says: "- 1 deleted"},
	{
		how: "a new name with an alias", provider: "one", name: "app3", options: ", aliases: [{ name: app2 }]",
		says: "4 unchanged",
	},
	{how: "a new provider", provider: "two", name: "app3", says: "- 1 deleted"},
	{how: "a new name and a new provider", provider: "three", name: "app4", says: "- 2 deleted"},
	{
		how: "a replaced provider", provider: "three", name: "app4",
		args: []string{
			"--replace", "urn:pulumi:dev::app::pulumi:providers:buildkit::three", "--replace", urn("app4"),
		},
		says: "+-2 replaced",
	},
	{
		how: "replaceOnChanges", provider: "three", name: "app4", options: ", replaceOnChanges: [labels]",
		label: "b",
		says:  "+-1 replaced",
	},
}

// The engine creates and deletes the image in one run, in several ways. Its tags exist afterwards.
func TestAReplacementKeepsTheTags(t *testing.T) {
	t.Parallel()
	s := open(t, replaceableProgram(t, "one", "app", "", "a"))
	succeeds(t, s.Up("--skip-preview"), "+ 4 created")
	digest := tagDigest(t, repository(t)+":1")

	for _, c := range replacements {
		label := cmp.Or(c.label, "a")
		replaceProgram(t, s, replaceableProgram(t, c.provider, c.name, c.options, label))
		result := s.Up(append([]string{"--skip-preview"}, c.args...)...)
		succeeds(t, result, c.says)
		for _, tag := range []string{":1", ":2"} {
			got := tagDigest(t, repository(t)+tag)
			if got == "" || label == "a" && got != digest || label == "b" && got == digest {
				t.Errorf("%s: %s holds %q, before %s:\n%s", c.how, tag, got, digest, result.All())
			}
		}
	}
	if fetchManifest(t, repository(t)+"@"+digest) == nil {
		t.Error("the image that was replaced is gone from the registry: somebody may run it")
	}
	succeeds(t, s.Destroy("--skip-preview"), "- 4 deleted")
	for _, tag := range []string{":1", ":2", ":beside"} {
		if left := tagDigest(t, repository(t)+tag); left != "" {
			t.Errorf("destroy left %s at %s", tag, left)
		}
	}
}

// Images that are not targeted, or are protected or retained, do not change.
func TestOtherImagesAreLeftAlone(t *testing.T) {
	t.Parallel()
	s := open(t, replaceableProgram(t, "one", "app", "", "a"))
	succeeds(t, s.Up("--skip-preview"))
	app, beside := tagDigest(t, repository(t)+":1"), tagDigest(t, repository(t)+":beside")

	replaceProgram(t, s, replaceableProgram(t, "one", "app", "", "b"))
	succeeds(t, s.Up("--skip-preview", "--target", urn("app")), "~ 1 updated")
	if tagDigest(t, repository(t)+":1") == app || tagDigest(t, repository(t)+":beside") != beside {
		t.Error("the tag of the target did not move, or that of another image did")
	}
	app = tagDigest(t, repository(t)+":1")

	replaceProgram(t, s, replaceableProgram(t, "one", "app", ", protect: true", "b"))
	succeeds(t, s.Up("--skip-preview"))
	fails(t, s.Destroy("--skip-preview", "--target", urn("app")), "protect")
	checkTags(t, app)

	replaceProgram(t, s, replaceableProgram(t, "one", "app", ", retainOnDelete: true", "b"))
	succeeds(t, s.Up("--skip-preview"))
	succeeds(t, s.Destroy("--skip-preview"), "- 4 deleted")
	checkTags(t, app)
	if left := tagDigest(t, repository(t)+":beside"); left != "" {
		t.Errorf("destroy left %s", left)
	}
}

// checkTags checks that both tags have the digest.
func checkTags(t testing.TB, want string) {
	t.Helper()
	for _, tag := range []string{":1", ":2"} {
		if got := tagDigest(t, repository(t)+tag); got != want {
			t.Errorf("%s holds %q, want %s", tag, got, want)
		}
	}
}

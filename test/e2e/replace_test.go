//go:build linux

package e2e

import (
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

// The engine creates and deletes the image in one run, in several ways. Its tags exist afterwards.
func TestAReplacementKeepsTheTags(t *testing.T) {
	t.Parallel()
	s := open(t, replaceableProgram(t, "one", "app", "", "a"))
	succeeds(t, s.Up("--skip-preview"), "+ 4 created")
	digest := tagDigest(t, repository(t)+":1")

	for _, c := range []struct {
		how                     string
		provider, name, options string
		label                   string
		args                    []string
		says                    string
	}{
		{"--replace", "one", "app", "", "a", []string{"--replace", urn("app")}, "+-1 replaced"},
		{"--target-replace", "one", "app", "", "a", []string{"--target-replace", urn("app")}, "+-1 replaced"},
		{"deleted first", "one", "app", ", deleteBeforeReplace: true", "a", []string{"--replace", urn("app")},
			"+-1 replaced"},
		{"a new name", "one", "app2", "", "a", nil, "- 1 deleted"},
		{"a new name that is told", "one", "app3", ", aliases: [{ name: app2 }]", "a", nil, "4 unchanged"},
		{"a new provider", "two", "app3", "", "a", nil, "- 1 deleted"},
		{"a new name and a new provider", "three", "app4", "", "a", nil, "- 2 deleted"},
		{"a replaced provider", "three", "app4", "", "a",
			[]string{"--replace", "urn:pulumi:dev::app::pulumi:providers:buildkit::three", "--replace",
				urn("app4")}, "+-2 replaced"},
		{"replaceOnChanges", "three", "app4", ", replaceOnChanges: [labels]", "b", nil, "+-1 replaced"},
	} {
		replaceProgram(t, s, replaceableProgram(t, c.provider, c.name, c.options, c.label))
		result := s.Up(append([]string{"--skip-preview"}, c.args...)...)
		succeeds(t, result, c.says)
		for _, tag := range []string{":1", ":2"} {
			got := tagDigest(t, repository(t)+tag)
			if got == "" || c.label == "a" && got != digest || c.label == "b" && got == digest {
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
		t.Error("the target alone was to change")
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

//go:build linux

package e2e

import (
	"strings"
	"testing"
)

const fourTags = `config: { password: { type: string } }
resources:
  one:
    type: buildkit:Image
    properties: { tags: ["HOST/app:1"], registries: [LOGIN] }
  two:
    type: buildkit:Image
    properties: { tags: ["HOST/app:2"], registries: [LOGIN] }
  moved:
    type: buildkit:Image
    properties: { tags: ["HOST/app:moved"], registries: [LOGIN] }
  gone:
    type: buildkit:Image
    properties: { tags: ["HOST/app:gone"], registries: [LOGIN] }
`

// Four tags have one digest. Destroy removes those that still have it, and reports an error if it cannot.
func TestDestroyRemovesOnlyItsOwnTags(t *testing.T) {
	t.Parallel()
	registry := newPrivateRegistry(t, "early-word")
	images := strings.ReplaceAll(fourTags, "LOGIN", `{ address: HOST, username: me, password: "${password}" }`)
	s := open(t, program(t, withHost(registry.Host(), images),
		map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"}))
	cli(t, s, "config", "set", "--secret", "password", "early-word")
	succeeds(t, s.Up("--skip-preview"), "+ 5 created")
	digest := registry.tagDigest(t, "app:1")

	late := "late-word"
	registry.password.Store(&late)
	succeeds(t, s.Refresh("--skip-preview"), "warning: the state is kept as it is", "401 unauthorized",
		"give new ones to pulumi up first", "5 unchanged")
	fails(t, s.Destroy("--skip-preview", "--target", urn("one")),
		"deleting "+registry.Host()+"/app:1: 401 unauthorized", "correct registries; these are the logins of the "+
			"last update, so give new ones to pulumi up first")
	if got := registry.tagDigest(t, "app:1"); got != digest || len(s.Export()) != 4 {
		t.Errorf("the tag holds %q, the state has %d images", got, len(s.Export()))
	}
	cli(t, s, "config", "set", "--secret", "password", late)
	succeeds(t, s.Up("--skip-preview"), "5 unchanged")

	registry.push(t, "app:moved")
	theirs := registry.tagDigest(t, "app:moved")
	registry.remove(t, "app:gone")
	succeeds(t, s.Destroy("--skip-preview", "--target", urn("one")), "- 1 deleted")
	if registry.tagDigest(t, "app:1") != "" || registry.tagDigest(t, "app:2") != digest {
		t.Errorf("the tags hold %q and %q, want none and %s", registry.tagDigest(t, "app:1"),
			registry.tagDigest(t, "app:2"), digest)
	}
	succeeds(t, s.Destroy("--skip-preview"), "- 4 deleted")
	if registry.tagDigest(t, "app:2") != "" || registry.tagDigest(t, "app:moved") != theirs {
		t.Errorf("the tags hold %q and %q, want none and theirs", registry.tagDigest(t, "app:2"),
			registry.tagDigest(t, "app:moved"))
	}
}

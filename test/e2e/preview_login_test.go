//go:build linux

package e2e

import (
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// An unknown login, as for a repository that the same update creates, stops only the build that needs it. The digest of
// the first image serves as the unknown value.
func TestPreviewWithAnUnknownLogin(t *testing.T) {
	t.Parallel()
	locked := registrytest.New(t, registrytest.Login("robot", "hunter2"))
	cases := map[string]struct {
		dockerfile, login string
		judge             func(t testing.TB, r stack.Result, texts ...string)
		says              []string
	}{
		"a base that needs none": {
			dockerfile: "FROM BUSYBOX\nCOPY Pulumi.yaml /\n",
			login:      "{ address: \"${first.digest}\", username: u, password: p }",
			judge:      succeeds, says: []string{"+ 3 to create"},
		},
		"a step that fails": {
			dockerfile: "FROM BUSYBOX\nRUN exit 3\n",
			login:      "{ address: \"${first.digest}\", username: u, password: p }",
			judge:      fails, says: []string{"exit code 3"},
		},
		"a base that needs it": {
			dockerfile: "FROM " + locked.Host() + "/base:1\nCOPY Pulumi.yaml /\n",
			login:      "{ address: " + locked.Host() + ", username: robot, password: \"${first.digest}\" }",
			judge:      succeeds,
			says: []string{
				"+ 3 to create", "not built in this preview, because a login in registries is not known yet",
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, program(t, `resources:
  first:
    type: buildkit:Image
    properties: { dockerfile: { inline: FROM scratch }, buildOnPreview: false, tags: ["REPO:first"] }
  image:
    type: buildkit:Image
    properties:
      tags: ["${first.digest}/app:1"]
      registries: [`+c.login+`]
`, map[string]string{"Dockerfile": c.dockerfile}))
			c.judge(t, s.Preview(), c.says...)
		})
	}
}

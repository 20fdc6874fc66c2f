//go:build linux

package e2e

import (
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// A program reads an image that was built elsewhere, also in a preview. The image of another resource is read once it
// is pushed; until then a preview knows its digest.
func TestGetImage(t *testing.T) {
	t.Parallel()
	other := newPrivateRegistry(t, "")
	digest := other.Push(t, "app:1", registrytest.Index(t, "linux/amd64", "linux/arm64"))
	const text = `resources:
  own:
    type: buildkit:Image
    properties: { context: { location: src }, platforms: [linux/amd64], tags: ["REPO:1"] }
variables:
  found: { "fn::invoke": { function: "buildkit:getImage", arguments: { ref: "HOST/app:1" } } }
  built: { "fn::invoke": { function: "buildkit:getImage", arguments: { ref: "${own.ref}" } } }
outputs:
  found: ${found.repoDigest}
  arm: ${found.platforms["linux/arm64"].digest}
  built: ${built.digest}
`
	s := open(t, program(t, withHost(other.Host(), text), fromScratchFiles))
	succeeds(t, s.Preview(), "+ 2 to create", "until then, all but the digest is empty",
		`"`+other.Host()+"/app@"+digest+`"`)
	succeeds(t, s.Up("--skip-preview"), "+ 2 created")
	outputs := cli(t, s, "stack", "output", "--json").Stdout
	says(t, stack.Result{Stdout: outputs}, `"found": "`+other.Host()+"/app@"+digest+`"`,
		`"built": "`+tagDigest(t, repository(t)+":1")+`"`)
	succeeds(t, s.Preview(), "2 unchanged")
	must(t, s.Write("src/file", "another"))
	succeeds(t, s.Up(), "all but the digest is that of "+repository(t)+"@", "~ 1 updated")
	outputs = cli(t, s, "stack", "output", "--json").Stdout
	says(t, stack.Result{Stdout: outputs}, `"built": "`+tagDigest(t, repository(t)+":1")+`"`)
	replaceProgram(t, s, program(t, strings.ReplaceAll(withHost(other.Host(), text), "/app:1", "/app:2"), nil))
	fails(t, s.Preview(), "reading "+other.Host()+"/app:2: not found: manifest unknown; correct its name, or push it")
}

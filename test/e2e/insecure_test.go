//go:build linux

package e2e

import (
	"net"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

const insecureProgram = `config: { insecure: { type: boolean, default: false } }
resources:
  image:
    type: buildkit:Image
    properties:
      platforms: [linux/amd64, linux/arm64]
      buildOnPreview: false
      tags: ["HOST/app:1", "REPO:1"]
      registries: [{ address: HOST, username: me, password: swordfish, insecure: "${insecure}" }]
`

// With insecure, a registry on another address gets an image and the password over plain HTTP. It also serves that
// image as a base image.
func TestPlainHTTPWithInsecure(t *testing.T) {
	t.Parallel()
	registry, err := registrytest.Start(net.JoinHostPort(registrytest.OwnAddress(t), "0"),
		registrytest.Login("me", "swordfish"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() })
	files := map[string]string{"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "x"}
	s := stack.New(t, stack.Config{Bin: shared.Bin,
		Program: program(t, withHost(registry.Host(), insecureProgram), files)})
	fails(t, s.Up("--skip-preview"),
		"pushing to "+registry.Host()+"/app: unreachable: http: server gave HTTP response to HTTPS client",
		"set insecure for it in registries")
	cli(t, s, "config", "set", "insecure", "true")
	succeeds(t, s.Up("--skip-preview"), "+ 1 created")
	if held := fetchManifest(t, repository(t)+":1"); held == nil ||
		held.Digest.String() != image(t, s).Outputs["digest"] {
		t.Errorf("the other registry holds %v, want %v", held, image(t, s).Outputs["digest"])
	}
	must(t, s.Write("Dockerfile", "FROM "+registry.Host()+"/app:1\nCOPY file /again\n"))
	cli(t, s, "config", "set", "insecure", "false")
	fails(t, s.Up("--skip-preview"), registry.Host()+" does not answer: ",
		"the registry speaks plain http: serve it over https, or set insecure for it in registries")
	cli(t, s, "config", "set", "insecure", "true")
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	succeeds(t, s.Destroy("--skip-preview"))
}

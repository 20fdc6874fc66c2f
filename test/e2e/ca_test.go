//go:build linux

package e2e

import (
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

const tlsProgram = `resources:
  image:
    type: buildkit:Image
    properties:
      platforms: [linux/amd64, linux/arm64]
      buildOnPreview: false
      tags: ["HOST/app:1"]
      registries: [{ address: HOST, username: me, password: swordfish, caFile: ca.pem }]
`

// The provider and its daemon trust the authority in caFile. A daemon for another authority is another daemon.
func TestPrivateCertificateAuthority(t *testing.T) {
	t.Parallel()
	host, authority := newTLSRegistry(t)
	files := map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n", "ca.pem": authority}
	s := stack.New(t, stack.Config{Bin: shared.Bin, Program: program(t, withHost(host, tlsProgram), files)})
	succeeds(t, s.Up("--skip-preview"), "+ 2 created")

	_, other := newTLSRegistry(t)
	must(t, s.Write("ca.pem", other))
	must(t, s.Write("Dockerfile", "FROM scratch\nCOPY Dockerfile /again\n"))
	fails(t, s.Up("--skip-preview"),
		"pushing to "+host+"/app: unreachable: tls: failed to verify certificate: x509: certificate signed by "+
			"unknown authority",
		"give the builder the authority that signed "+host+"'s certificate: caFile in registries")
}

// newTLSRegistry returns a registry behind TLS at an address that is not loopback, and the certificate of its
// authority.
func newTLSRegistry(t *testing.T) (host, authority string) {
	t.Helper()
	behind := registrytest.New(t)
	host, authority = behind.ServeTLS(t)
	behind.AskForTokens("https://"+host+registrytest.TokenPath, "me", "swordfish")
	return host, authority
}

//go:build linux

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

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
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: behind.Host()})
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(registrytest.OwnAddress(t), "0"))
	if err != nil {
		t.Fatal(err)
	}
	behind.AskForTokens("https://"+listener.Addr().String()+registrytest.TokenPath, "me", "swordfish")
	certificate := selfSigned(t, registrytest.OwnAddress(t))
	server := &httptest.Server{Listener: listener, Config: &http.Server{
		Handler: proxy, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler,
			slog.LevelError),
	}}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return listener.Addr().String(), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE",
		Bytes: certificate.Certificate[0]}))
}

// selfSigned returns a certificate for the address that is its own authority.
func selfSigned(t *testing.T, address string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(address)}, IsCA: true, BasicConstraintsValid: true,
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: key}
}

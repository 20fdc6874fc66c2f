package registry_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// serveCertificateFrom serves a certificate that is valid for an hour from a time on.
func serveCertificateFrom(t *testing.T, from time.Time) (host string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: from.Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = quiet
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// TestACertificateOfAnotherTime holds that a wrong clock, here or there, does not lead to the fault of an unknown
// authority.
func TestACertificateOfAnotherTime(t *testing.T) {
	t.Parallel()
	for name, from := range map[string]time.Time{"future": time.Now().Add(time.Hour),
		"past": time.Now().Add(-2 * time.Hour)} {
		host := serveCertificateFrom(t, from)
		_, err := anonymousClient(t).Resolve(t.Context(), parseTag(t, host+"/app:1"))
		want := fault.ExpiredCertificate
		stale, ok := errors.AsType[*fault.Error](err)
		if !ok || stale.Kind != want || stale.Host != host ||
			!strings.Contains(err.Error(), "not yet valid: current time ") {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
}

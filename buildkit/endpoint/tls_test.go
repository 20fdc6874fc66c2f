package endpoint_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
)

// infoServer answers Info and nothing else.
type infoServer struct {
	controlapi.UnimplementedControlServer
}

func (infoServer) Info(context.Context, *controlapi.InfoRequest) (*controlapi.InfoResponse, error) {
	return &controlapi.InfoResponse{}, nil
}

// serve starts a daemon and returns its address.
func serve(t *testing.T, options ...grpc.ServerOption) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(options...)
	controlapi.RegisterControlServer(server, infoServer{})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return "tcp://" + listener.Addr().String()
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: rand.Text()}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour),
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert: cert, key: key, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// sign returns a certificate for name that ends at end, and its key, in PEM.
func (a *authority) sign(t *testing.T, name string, end time.Time) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: end,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, private.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	bytes, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: bytes})
}

// serveTLS starts a daemon with a certificate that asks for certificates of the authority.
func (a *authority) serveTLS(t *testing.T, name string, end time.Time) string {
	t.Helper()
	pair, err := tls.X509KeyPair(a.sign(t, name, end))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return serve(t, grpc.Creds(credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair},
		ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	})))
}

// Each way in which two sides of mTLS do not agree has its own reason.
func TestDialWithTLS(t *testing.T) {
	t.Parallel()
	trusted, stranger := newAuthority(t), newAuthority(t)
	later := time.Now().Add(time.Hour)
	good := trusted.serveTLS(t, "builder", later)
	expired := trusted.serveTLS(t, "builder", time.Now().Add(-time.Minute))
	plain := serve(t)
	cert, key := trusted.sign(t, "client", later)
	oldCert, oldKey := trusted.sign(t, "client", time.Now().Add(-time.Minute))
	strangeCert, strangeKey := stranger.sign(t, "client", later)
	for name, c := range map[string]struct {
		address string
		tls     endpoint.TLS
		refusal endpoint.Refusal // -1: the daemon answers
	}{
		"right": {good, endpoint.TLS{CA: trusted.pem, Cert: cert, Key: key, ServerName: "builder"}, -1},
		"expired": {expired, endpoint.TLS{CA: trusted.pem, Cert: cert, Key: key, ServerName: "builder"},
			endpoint.Expired},
		"wrong CA": {good, endpoint.TLS{CA: stranger.pem, Cert: cert, Key: key, ServerName: "builder"},
			endpoint.UnknownAuthority},
		"the machine's CAs": {good, endpoint.TLS{Cert: cert, Key: key, ServerName: "builder"},
			endpoint.UnknownAuthority},
		"wrong name": {good, endpoint.TLS{CA: trusted.pem, Cert: cert, Key: key, ServerName: "other"},
			endpoint.WrongName},
		"no name": {good, endpoint.TLS{CA: trusted.pem, Cert: cert, Key: key}, endpoint.WrongName},
		"no client certificate": {good, endpoint.TLS{CA: trusted.pem, ServerName: "builder"},
			endpoint.NeedsCertificate},
		"expired client": {good, endpoint.TLS{CA: trusted.pem, Cert: oldCert, Key: oldKey,
			ServerName: "builder"}, endpoint.ClientExpired},
		"client of another CA": {good, endpoint.TLS{CA: trusted.pem, Cert: strangeCert, Key: strangeKey,
			ServerName: "builder"}, endpoint.CertificateRefused},
		"a daemon without TLS": {plain, endpoint.TLS{CA: trusted.pem, Cert: cert, Key: key, ServerName: "builder"},
			endpoint.NoTLS},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := endpoint.Parse(c.address)
			if err != nil {
				t.Fatal(err)
			}
			daemon, err := e.Dial(t.Context(), endpoint.Options{TLS: &c.tls})
			if err == nil {
				_ = daemon.Close()
			}
			refused, ok := errors.AsType[*endpoint.TLSError](err)
			if c.refusal < 0 && err != nil || c.refusal >= 0 && (!ok || refused.Refusal != c.refusal) {
				t.Errorf("got %v, want refusal %d", err, c.refusal)
			}
		})
	}
}

func TestBadCertificates(t *testing.T) {
	t.Parallel()
	cert, key := newAuthority(t).sign(t, "client", time.Now().Add(time.Hour))
	_, otherKey := newAuthority(t).sign(t, "client", time.Now().Add(time.Hour))
	for name, c := range map[string]struct {
		tls  endpoint.TLS
		part string
	}{
		"no PEM":            {endpoint.TLS{CA: []byte("canary")}, "ca"},
		"a key alone":       {endpoint.TLS{Key: key}, "cert"},
		"a cert alone":      {endpoint.TLS{Cert: cert}, "key"},
		"the key of others": {endpoint.TLS{Cert: cert, Key: otherKey}, "cert"},
	} {
		_, err := c.tls.Config()
		if bad, ok := errors.AsType[*endpoint.CertificateError](err); !ok || bad.Part != c.part {
			t.Errorf("%s: got %v, want the part %s", name, err, c.part)
		}
	}
}

package endpoint_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
)

// serveHandshakes starts a server that makes TLS connections by its configuration and says nothing in them. It returns
// the address.
func serveHandshakes(t *testing.T, config *tls.Config) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_ = tls.Server(conn, config).Handshake()
				_ = conn.Close()
			}()
		}
	}()
	return "tcp://" + listener.Addr().String()
}

// Each alert of a daemon has a refusal of its own. Only those about the client's certificate ask for another one.
func TestAlertsOfADaemon(t *testing.T) {
	t.Parallel()
	trusted, stranger := newAuthority(t), newAuthority(t)
	later := time.Now().Add(time.Hour)
	pair, err := tls.X509KeyPair(trusted.sign(t, "builder", later))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(trusted.cert)
	cert, key := trusted.sign(t, "client", later)
	strangeCert, strangeKey := stranger.sign(t, "client", later)
	client := endpoint.TLS{CA: trusted.pem, Cert: cert, Key: key, ServerName: "builder"}
	noCertificate := endpoint.TLS{CA: trusted.pem, ServerName: "builder"}
	strange := endpoint.TLS{CA: trusted.pem, Cert: strangeCert, Key: strangeKey, ServerName: "builder"}
	const version12, version13 = tls.VersionTLS12, tls.VersionTLS13
	mutual := func(version uint16) *tls.Config {
		return &tls.Config{
			Certificates: []tls.Certificate{pair}, MinVersion: version, MaxVersion: version, NextProtos: []string{"h2"},
			ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		}
	}
	refusing := func(alert error) *tls.Config {
		config := mutual(version13)
		config.ClientAuth = tls.RequireAnyClientCert
		config.ClientCAs = nil
		config.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return alert }
		return config
	}
	noAuthorities := mutual(version13) // named to the client, which then sends whatever it has
	noAuthorities.ClientCAs = x509.NewCertPool()
	for name, c := range map[string]struct {
		server  *tls.Config
		client  endpoint.TLS
		refusal endpoint.Refusal
		text    string
	}{
		"certificate required": {mutual(version13), noCertificate, endpoint.NeedsCertificate, "none was given"},
		"handshake failure, none was given": {mutual(version12), noCertificate, endpoint.NothingInCommon,
			"or asks for a client certificate"},
		"certificate required, one was not sent": {mutual(version13), strange, endpoint.CertificateRefused,
			"refuses the client certificate: remote error: tls: certificate required"},
		"unknown authority": {noAuthorities, strange, endpoint.UnknownClient, "whose authority it does not know"},
		"bad certificate": {refusing(errors.New("no")), client, endpoint.CertificateRefused,
			"refuses the client certificate: remote error: tls: bad certificate"},
		"protocol version": {&tls.Config{
			Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11,
		}, client, endpoint.OldVersion, "speaks no TLS of version 1.2 or later"},
		"handshake failure": {&tls.Config{
			Certificates: []tls.Certificate{pair}, MaxVersion: version12,
			CipherSuites: []uint16{tls.TLS_RSA_WITH_RC4_128_SHA},
		}, client, endpoint.NothingInCommon, "no way to agree on ciphers"},
		"internal error": {&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return nil, errors.New("the disk is gone")
		}}, client, endpoint.BrokenDaemon, "failed while it made the connection: remote error: tls: internal error"},
		"unrecognized name": {&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return nil, nil
		}}, client, endpoint.WrongName, "tls: unrecognized name"},
		"another server": {&tls.Config{
			Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"},
		}, client, endpoint.NoGRPC, "is no BuildKit daemon"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := endpoint.Parse(serveHandshakes(t, c.server))
			if err != nil {
				t.Fatal(err)
			}
			daemon, err := e.Dial(t.Context(), endpoint.Options{TLS: &c.client})
			if err == nil {
				_ = daemon.Close()
			}
			refused, ok := errors.AsType[*endpoint.TLSError](err)
			if !ok || refused.Refusal != c.refusal || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want refusal %d", err, c.refusal)
			}
		})
	}
}

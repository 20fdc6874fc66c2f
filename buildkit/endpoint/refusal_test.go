package endpoint_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"maps"
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
	return listen(t, func(conn net.Conn) { _ = tls.Server(conn, config).Handshake() })
}

// alertParties are a daemon and the clients that it refuses.
type alertParties struct {
	pair          tls.Certificate // of the daemon
	authorities   *x509.CertPool  // of its clients
	client        endpoint.TLS
	noCertificate endpoint.TLS
	strange       endpoint.TLS // its certificate is of an authority that the daemon does not know
}

func newAlertParties(t *testing.T) alertParties {
	t.Helper()
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
	return alertParties{
		pair: pair, authorities: pool,
		client:        endpoint.TLS{CA: trusted.pem, Cert: cert, Key: key, ServerName: "builder"},
		noCertificate: endpoint.TLS{CA: trusted.pem, ServerName: "builder"},
		strange:       endpoint.TLS{CA: trusted.pem, Cert: strangeCert, Key: strangeKey, ServerName: "builder"},
	}
}

// mutual returns the configuration of a daemon that wants a client certificate, for one version of TLS.
func (p alertParties) mutual(version uint16) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{p.pair}, MinVersion: version, MaxVersion: version, NextProtos: []string{"h2"},
		ClientCAs: p.authorities, ClientAuth: tls.RequireAndVerifyClientCert,
	}
}

// refuse returns the configuration of a daemon that answers each client certificate with an alert.
func (p alertParties) refuse(alert error) *tls.Config {
	config := p.mutual(tls.VersionTLS13)
	config.ClientAuth, config.ClientCAs = tls.RequireAnyClientCert, nil
	config.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return alert }
	return config
}

// nameNoAuthority returns the configuration of a daemon that names no authority to the client, which then sends
// whatever certificate it has.
func (p alertParties) nameNoAuthority() *tls.Config {
	config := p.mutual(tls.VersionTLS13)
	config.ClientCAs = x509.NewCertPool()
	return config
}

// alertCase is a connection that ends with an alert.
type alertCase struct {
	server  *tls.Config
	client  endpoint.TLS
	refusal endpoint.Refusal
	text    string
}

// certificateAlerts are about the certificate of the client.
func (p alertParties) certificateAlerts() map[string]alertCase {
	return map[string]alertCase{
		"certificate required": {p.mutual(tls.VersionTLS13), p.noCertificate, endpoint.NeedsCertificate,
			"none was given"},
		"handshake failure, none was given": {p.mutual(tls.VersionTLS12), p.noCertificate, endpoint.NothingInCommon,
			"or asks for a client certificate"},
		"certificate required, one was not sent": {p.mutual(tls.VersionTLS13), p.strange, endpoint.CertificateRefused,
			"refuses the client certificate: remote error: tls: certificate required"},
		"unknown authority": {p.nameNoAuthority(), p.strange, endpoint.UnknownClient,
			"whose authority it does not know"},
		"bad certificate": {p.refuse(errors.New("no")), p.client, endpoint.CertificateRefused,
			"refuses the client certificate: remote error: tls: bad certificate"},
	}
}

// otherAlerts would be the same with any certificate of the client.
func (p alertParties) otherAlerts() map[string]alertCase {
	return map[string]alertCase{
		"protocol version": {&tls.Config{
			Certificates: []tls.Certificate{p.pair}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11,
		}, p.client, endpoint.OldVersion, "speaks no TLS of version 1.2 or later"},
		"handshake failure": {&tls.Config{
			Certificates: []tls.Certificate{p.pair}, MaxVersion: tls.VersionTLS12,
			CipherSuites: []uint16{tls.TLS_RSA_WITH_RC4_128_SHA},
		}, p.client, endpoint.NothingInCommon, "no way to agree on ciphers"},
		"internal error": {&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return nil, errors.New("the disk is gone")
		}}, p.client, endpoint.BrokenDaemon, "failed while it made the connection: remote error: tls: internal error"},
		"unrecognized name": {&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return nil, nil
		}}, p.client, endpoint.WrongName, "tls: unrecognized name"},
		"another server": {&tls.Config{
			Certificates: []tls.Certificate{p.pair}, NextProtos: []string{"http/1.1"},
		}, p.client, endpoint.NoGRPC, "is no BuildKit daemon"},
	}
}

// Each alert of a daemon has a refusal of its own. Only those about the client's certificate ask for another one.
func TestAlertsOfADaemon(t *testing.T) {
	t.Parallel()
	parties := newAlertParties(t)
	cases := parties.certificateAlerts()
	maps.Copy(cases, parties.otherAlerts())
	for name, c := range cases {
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

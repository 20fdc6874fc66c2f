//go:build linux

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// certificates are files for mTLS between a daemon called "builder" and its clients.
type certificates struct{ dir string }

func (c certificates) path(name string) string { return filepath.Join(c.dir, name+".pem") }

func (c certificates) read(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(c.path(name))
	must(t, err)
	return text
}

// newCertificates writes an authority ("ca"), two certificates that it signed ("builder", "client") and another
// authority ("other") into the folder dir. The builder has the given names, too.
func newCertificates(t testing.TB, dir string, names ...string) certificates {
	t.Helper()
	c := certificates{dir: dir}
	authority, key := c.writeAuthority(t, "ca")
	c.writeAuthority(t, "other")
	for serial, name := range []string{"builder", "client"} {
		usage, dnsNames := x509.ExtKeyUsageServerAuth, append(names, name)
		if name == "client" {
			usage, dnsNames = x509.ExtKeyUsageClientAuth, nil
		}
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(serial + 2)), Subject: pkix.Name{CommonName: name}, DNSNames: dnsNames,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			ExtKeyUsage: []x509.ExtKeyUsage{usage},
		}
		der, err := x509.CreateCertificate(rand.Reader, template, authority, private.Public(), key)
		must(t, err)
		c.write(t, name, "CERTIFICATE", der)
		bytes, err := x509.MarshalECPrivateKey(private)
		must(t, err)
		c.write(t, name+"-key", "EC PRIVATE KEY", bytes)
	}
	return c
}

func (c certificates) writeAuthority(t testing.TB, name string) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	c.write(t, name, "CERTIFICATE", der)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return cert, key
}

func (c certificates) write(t testing.TB, name, kind string, der []byte) {
	t.Helper()
	must(t, os.WriteFile(c.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

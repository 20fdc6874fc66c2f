//go:build linux

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// certificates are files for mTLS between a daemon called "builder" and its clients.
type certificates struct{ dir string }

func (c certificates) path(name string) string { return filepath.Join(c.dir, name+".pem") }

// newCertificates writes an authority ("ca"), two certificates that it signed ("builder", "client") and another
// authority ("stranger").
func newCertificates(t *testing.T) certificates {
	t.Helper()
	c := certificates{dir: t.TempDir()}
	authority, key := c.writeAuthority(t, "ca")
	c.writeAuthority(t, "stranger")
	for serial, name := range []string{"builder", "client"} {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(serial + 2)), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
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

func (c certificates) writeAuthority(t *testing.T, name string) (*x509.Certificate, *ecdsa.PrivateKey) {
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

func (c certificates) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	must(t, os.WriteFile(c.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

// startSecureDaemon starts a real buildkitd on a socket, and with mTLS on a port, until the end of the test.
func startSecureDaemon(t *testing.T, c certificates) (socket, hostPort string) {
	t.Helper()
	dir := t.TempDir()
	socket, hostPort = filepath.Join(dir, "b.sock"), freePort(t)
	cmd := exec.CommandContext(t.Context(), filepath.Join(shared.Bin, "buildkitd"), "--root",
		filepath.Join(dir, "root"),
		"--addr", "unix://"+socket, "--addr", "tcp://"+hostPort, "--containerd-worker=false",
		"--tlscacert", c.path("ca"), "--tlscert", c.path("builder"), "--tlskey", c.path("builder-key"))
	cmd.Env = []string{"PATH=" + shared.Bin + ":" + os.Getenv("PATH")} // runc
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(syscall.SIGTERM) }, 5*time.Second
	must(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	must(t, stack.WaitUntil(t.Context(), 30*time.Second, func() bool {
		conn, err := net.Dial("tcp", hostPort)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}))
	return socket, hostPort
}

// writeStandIn writes a program with the given name. It connects to the daemon on the socket as "buildctl dial-stdio"
// does on the other side, and ignores its arguments. writeStandIn returns the variable that puts the program on PATH.
func writeStandIn(t *testing.T, socket, name string) []string {
	t.Helper()
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in *'get pods'*) echo pod-0; exit;; esac\n"+
		"exec %s --addr unix://%s dial-stdio\n", filepath.Join(shared.Bin, "buildctl"), socket)
	must(t, os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700))
	return []string{"PATH=" + dir + ":" + shared.Bin + ":/usr/bin:/bin"}
}

// The same program has the same digest through every kind of endpoint.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	c := newCertificates(t)
	socket, hostPort := startSecureDaemon(t, c)
	key, err := os.ReadFile(c.path("client-key"))
	must(t, err)
	tls := fmt.Sprintf("tls: { ca: %s, cert: %s, key: %s, serverName: builder }",
		c.path("ca"), c.path("client"), c.path("client-key"))
	values := strings.Replace(tls, c.path("client-key"), fmt.Sprintf("%q", key), 1)
	store := "BUILDX_CONFIG=" + writeBuildxStore(t, socket, hostPort, c)
	digests := map[any]string{}
	for name, endpoint := range map[string]struct {
		builder, says string
		env           []string
	}{
		"mTLS with files":  {builder: "{ endpoint: \"tcp://" + hostPort + "\", " + tls + " }"},
		"mTLS with values": {builder: "{ endpoint: \"tcp://" + hostPort + "\", " + values + " }"},
		"ssh": {builder: `{ endpoint: "ssh://me@build.example.com" }`,
			env: writeStandIn(t, socket, "ssh")},
		"kube-pod": {builder: `{ endpoint: "kube-pod://pod-0?namespace=ci" }`,
			env: writeStandIn(t, socket, "kubectl")},
		"buildx remote": {builder: "{ name: secure }", says: "the buildx builder secure", env: []string{store}},
		"buildx pods": {
			builder: "{ name: pods }", says: "the buildx builder pods",
			env: append(writeStandIn(t, socket, "kubectl"), store),
		},
		"BUILDX_BUILDER": {
			builder: "{}", says: "the buildx builder secure", env: []string{store, "BUILDX_BUILDER=secure"},
		},
		"docker buildx use": {builder: "{}", says: "the buildx builder plain", env: []string{store}},
		"BUILDKIT_HOST":     {builder: "{}", says: "BUILDKIT_HOST", env: []string{"BUILDKIT_HOST=unix://" + socket}},
	} {
		program := project(t, fixed+"builder: "+endpoint.builder+"\n", map[string]string{"hello": "hello\n"})
		s := openAs(t, nil, program, endpoint.env...)
		r := s.Up("--skip-preview")
		succeeds(t, r, "+ 2 created", endpoint.says)
		if t.Failed() {
			t.Fatal(name)
		}
		digests[image(t, s).Outputs["digest"]] += " " + name + ","
	}
	if len(digests) != 1 {
		t.Errorf("the digests differ: %v", digests)
	}
}

// writeBuildxStore writes builders as docker buildx does: secure, with mTLS, is the remote one; plain is chosen for
// every Docker context; pods runs in Kubernetes.
func writeBuildxStore(t *testing.T, socket, hostPort string, c certificates) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		must(t, errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)))
	}
	const amd64, arm64 = `{"architecture":"amd64","os":"linux"}`, `{"architecture":"arm64","os":"linux"}`
	write("instances/secure", fmt.Sprintf(`{"Name":"secure","Driver":"remote","Nodes":[{"Name":"secure0",`+
		`"Endpoint":"tcp://%s","DriverOpts":{"cacert":%q,"cert":%q,"key":%q,"servername":"builder"}}]}`,
		hostPort, c.path("ca"), c.path("client"), c.path("client-key")))
	write("instances/plain", fmt.Sprintf(`{"Name":"plain","Driver":"remote","Nodes":[`+
		`{"Name":"plain0","Endpoint":"unix:///nowhere/b.sock","Platforms":[%s]},`+
		`{"Name":"plain1","Endpoint":"unix://%s","Platforms":[%s,%s]}]}`, amd64, socket, amd64, arm64))
	write("instances/pods", `{"Name":"pods","Driver":"kubernetes","Nodes":[{"Name":"pods0","Endpoint":`+
		`"kubernetes:///pods?deployment=pods0&kubeconfig=","DriverOpts":{"namespace":"ci"}}]}`)
	write("current", `{"Key":"","Name":"plain","Global":true}`)
	return dir
}

// A daemon and a client can distrust each other in several ways. Each has its own error and remedy.
func TestBadCertificates(t *testing.T) {
	t.Parallel()
	c := newCertificates(t)
	_, hostPort := startSecureDaemon(t, c)
	client := "cert: " + c.path("client") + ", key: " + c.path("client-key")
	for tls, want := range map[string][]string{
		"tls: { ca: " + c.path("stranger") + ", " + client + ", serverName: builder }": {
			"the certificate of the daemon was not accepted", "set tls.ca",
		},
		"tls: { ca: " + c.path("ca") + ", " + client + " }": {
			"the certificate of the daemon was not accepted", "set tls.serverName",
		},
		"tls: { ca: " + c.path("ca") + ", serverName: builder }": {"asks for a client certificate",
			"set tls.cert and tls.key"},
		"tls: { ca: /nowhere/ca.pem }": {"tls.ca: ", "no such file"},
	} {
		builder := "builder: { endpoint: \"tcp://" + hostPort + "\", " + tls + " }\n"
		s := open(t, project(t, fixed+builder, map[string]string{"hello": "hello\n"}))
		fails(t, s.Up("--skip-preview"), want...)
	}
	bad := "builder: { endpoint: \"unix:///b.sock\", name: a, tls: { cert: a } }\n"
	s := open(t, project(t, fixed+bad, map[string]string{"hello": "hello\n"}))
	fails(t, s.Preview(), "builder.endpoint names another builder: give one of them",
		"certificates need a tcp:// endpoint")
}

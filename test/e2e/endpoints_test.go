//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeStandIn writes a program with the given name. It connects to the daemon on the socket as "buildctl dial-stdio"
// does on the other side, and ignores its arguments. writeStandIn returns the variable that puts the program on PATH.
func writeStandIn(t testing.TB, socket, name string) []string {
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
	d := elsewhere.start(t)
	c, socket, hostPort := d.certificates, d.socket, d.hostPort
	key := c.read(t, "client-key")
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
		s := openOn(t, nil, program, endpoint.env...)
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
func writeBuildxStore(t testing.TB, socket, hostPort string, c certificates) string {
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
	d := elsewhere.start(t)
	c, hostPort := d.certificates, d.hostPort
	client := "cert: " + c.path("client") + ", key: " + c.path("client-key")
	for tls, want := range map[string][]string{
		"tls: { ca: " + c.path("other") + ", " + client + ", serverName: builder }": {
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

//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// manifest is what a test needs of an object of Kubernetes.
type manifest struct {
	Kind string
	Data map[string]string // of a ConfigMap
	Spec struct {
		DNSNames []string `yaml:"dnsNames"` // of a Certificate
		Template struct {
			Spec struct{ Containers []struct{ Args []string } }
		}
	}
}

// readManifests returns the objects in a file of the example that are of a kind.
func readManifests(t *testing.T, file, kind string) (found []manifest) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../examples/kubernetes", file))
	must(t, err)
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var m manifest
		err := decoder.Decode(&m)
		if errors.Is(err, io.EOF) {
			return found
		}
		must(t, err)
		if m.Kind == kind {
			found = append(found, m)
		}
	}
}

// pod is BuildKit as a manifest starts it, without Kubernetes.
type pod struct {
	process  *stack.Process
	hostPort string
}

// startPod starts BuildKit with the arguments and the configuration of a manifest, as the entrypoint of its image does.
// On a machine the user nobody runs it.
func startPod(t *testing.T, file string, machine *daemontest.Machine, c certificates) *pod {
	t.Helper()
	runtime, err := os.MkdirTemp("", "pod-") //nolint:usetesting // an ordinary user reaches it
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(runtime) })
	must(t, os.Chown(runtime, daemontest.Nobody, daemontest.Nobody))
	// The image for ordinary users sets these variables.
	s := openOn(t, machine, program(t, "outputs: { nothing: none }\n", nil), "USER=user", "XDG_RUNTIME_DIR="+runtime)
	p, folder := &pod{hostPort: freePort(t)}, filepath.Join(s.Dir, "../pod")
	args := []string{"--root=" + folder + "/root"}
	if machine != nil {
		args = nil // the image's, in the user's home
	}
	files := map[string]string{"buildkitd.toml": readManifests(t, "config.yaml", "ConfigMap")[0].Data["buildkitd.toml"]}
	for name, file := range map[string]string{"ca.crt": "ca", "tls.crt": "builder", "tls.key": "builder-key"} {
		files[name] = string(c.read(t, file))
	}
	for name, text := range files {
		must(t, s.Write("../pod/"+name, text))
	}
	replacer := strings.NewReplacer("0.0.0.0:1234", p.hostPort, "/etc/builder", folder, "/certs", folder,
		"/run/user/1000/buildkit", folder, "/run/buildkit", folder)
	for _, arg := range readManifests(t, file, "StatefulSet")[0].Spec.Template.Spec.Containers[0].Args {
		args = append(args, replacer.Replace(arg))
	}
	command := []string{filepath.Join(shared.Bin, "buildkitd")}
	if machine != nil {
		command = []string{filepath.Join(shared.Bin, "rootlesskit"), command[0]}
	}
	command = append(command, args...)
	var log bytes.Buffer
	p.process, err = s.StartProgram(t.Context(), &log, command[0], command[1:]...)
	must(t, err)
	t.Cleanup(func() {
		_ = p.process.Interrupt() // it may have ended
		_, _ = p.process.Wait()   // it tells of the signal
		if t.Failed() {
			t.Logf("%s: %s", file, log.String())
		}
	})
	must(t, stack.WaitUntil(t.Context(), time.Minute, func() bool {
		conn, err := net.Dial("tcp", p.hostPort)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}))
	return p
}

// The program of the example builds on builders with the arguments, the configuration and the names of its manifests:
// linux/amd64 on a privileged one, linux/arm64 on one without root. A pod that is told to end finishes its build.
func TestBuildersOfTheKubernetesExample(t *testing.T) {
	t.Parallel()
	keepEmulation(t)
	daemontest.SkipWithoutNamespaces(t, shared.Bin)
	var names []string
	for _, certificate := range readManifests(t, "certificates.yaml", "Certificate") {
		names = append(names, certificate.Spec.DNSNames...)
	}
	machine := daemontest.UsualMachine
	certificates := newCertificates(t, t.TempDir(), names...)
	privileged := startPod(t, "privileged.yaml", nil, certificates)
	rootless := startPod(t, "rootless.yaml", &machine, certificates)

	example, err := os.ReadFile("../../examples/kubernetes/Pulumi.yaml")
	must(t, err)
	const step = "FROM BUSYBOX\nRUN --network=none mkdir /made && ls -ld /made | grep drwxr-xr-x\nCOPY greeting /\n"
	s := open(t, fstest.MapFS{
		"Pulumi.yaml":    {Data: []byte(atPods(string(example), certificates, privileged, rootless))},
		"app/Dockerfile": {Data: []byte(strings.ReplaceAll(step, "BUSYBOX", shared.Base))},
		"app/greeting":   {Data: []byte("hello\n")},
	})
	cli(t, s, "config", "set", "repository", repository(t))
	succeeds(t, s.Up("--skip-preview"), "building linux/amd64 on tcp://"+privileged.hostPort+
		", linux/arm64 on tcp://"+rootless.hostPort+": the builders of the provider")

	pods, sleep := []*pod{privileged, rootless}, fmt.Sprintf("sleep 15.57%d", os.Getpid())
	must(t, s.Write("app/Dockerfile", strings.ReplaceAll(step+"RUN "+sleep+"\n", "BUSYBOX", shared.Base)))
	up := s.StartUp("--skip-preview")
	runs := func(p stack.Proc) bool { // the step, with or without an emulator, and not its shell
		return strings.HasSuffix(p.Command, sleep) && !strings.Contains(p.Command, "-c "+sleep)
	}
	must(t, stack.WaitUntil(t.Context(), time.Minute, func() bool { return len(stack.Processes(runs)) == len(pods) }))
	for _, p := range pods {
		must(t, syscall.Kill(p.process.PID(), syscall.SIGTERM))
	}
	r, err := up.Wait()
	must(t, err)
	succeeds(t, r, "~ 1 updated")
	if strings.Contains(r.All(), "trying once more") {
		t.Error("a pod that was told to end did not finish its build")
	}
	succeeds(t, s.Destroy("--skip-preview"))
}

// atPods returns the program with the addresses of the pods and the paths of the certificates. The names that the
// services have in a cluster stay those that the builders' certificate must have.
func atPods(program string, c certificates, amd64, arm64 *pod) string {
	return strings.NewReplacer(
		"tcp://builder-amd64.ci.svc:1234\n          tls: { ", "tcp://"+amd64.hostPort+
			"\n          tls: { serverName: builder-amd64.ci.svc, ",
		"tcp://builder-arm64.ci.svc:1234", "tcp://"+arm64.hostPort,
		"[linux/arm64]\n          tls: { ", "[linux/arm64]\n          tls: { serverName: "+
			"builder-arm64-0.builder-arm64-pods.ci.svc, ",
		"/certs/ca.crt", c.path("ca"), "/certs/tls.crt", c.path("client"), "/certs/tls.key", c.path("client-key"),
	).Replace(program)
}

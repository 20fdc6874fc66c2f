//go:build linux

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/enginetest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// A job of a CI service runs in a container of a Docker Engine: CLI, plugin, registry and test are in it. Its loopback,
// processes and file system are its own, and all that it writes is on the overlay of the container, as it is for a job
// without a volume.

// jobVariable is set in the container of a job.
const jobVariable = "E2E_JOB"

// job is how a CI service makes the container.
type job struct {
	privileged bool
	binds      []string // "source:target"
	socket     string   // where the socket of the engine is mounted; "": nowhere
	network    string   // "": one with a loopback only
	env        []string
}

// hiddenPrograms are what a job does not have, although this machine may.
var hiddenPrograms = []string{"/usr/bin/fuse-overlayfs", "/bin/fuse-overlayfs"}

// machineFolders are what a job has of this machine, beside the repository and the test.
var machineFolders = []string{"/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc"}

// runInJob runs the test once more in a container of the engine, and reports whether it runs there now.
func runInJob(t *testing.T, e *enginetest.Engine, j job) bool {
	t.Helper()
	if os.Getenv(jobVariable) != "" {
		return true
	}
	api, err := client.New(client.WithHost(e.Host(t)))
	must(t, err)
	defer func() { _ = api.Close() }()
	here, err := os.Getwd()
	must(t, err)
	root := filepath.Dir(filepath.Dir(here))
	var binds []string
	if j.socket != "" {
		binds = append(binds, e.Socket()+":"+j.socket)
	}
	for _, folder := range append([]string{root, filepath.Dir(os.Args[0])}, machineFolders...) {
		if _, err := os.Stat(folder); err == nil {
			binds = append(binds, folder+":"+folder+":ro")
		}
	}
	for _, program := range hiddenPrograms {
		if _, err := os.Stat(program); err == nil {
			binds = append(binds, os.DevNull+":"+program)
		}
	}
	id := startContainer(t, api, container.Config{
		WorkingDir: here,
		Cmd:        []string{os.Args[0], "-test.run", "^" + t.Name() + "$", "-test.v", "-test.timeout", "4m"},
		Env:        append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/root", jobVariable + "=1"}, j.env...),
	}, container.HostConfig{
		Privileged: j.privileged, Binds: append(binds, j.binds...),
		NetworkMode: container.NetworkMode(cmp.Or(j.network, "none")),
	})
	waiting := api.ContainerWait(t.Context(), id, client.ContainerWaitOptions{})
	code := int64(-1)
	select {
	case ended := <-waiting.Result:
		code = ended.StatusCode
	case err := <-waiting.Error:
		t.Error(err)
	}
	output := containerOutput(t, api, id)
	if code != 0 || strings.Contains(output, "--- SKIP") || !strings.Contains(output, "--- PASS") {
		t.Errorf("in a container: exit code %d\n%s", code, output)
	}
	return false
}

// startContainer starts a container with the programs of the tests and removes it with the test.
func startContainer(t *testing.T, api *client.Client, c container.Config, host container.HostConfig) (id string) {
	t.Helper()
	c.Image = loadBuildKit(t, api)
	created, err := api.ContainerCreate(t.Context(), client.ContainerCreateOptions{Config: &c, HostConfig: &host})
	must(t, err)
	t.Cleanup(func() {
		_, err := api.ContainerRemove(context.Background(), created.ID,
			client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil {
			t.Error(err)
		}
	})
	_, err = api.ContainerStart(t.Context(), created.ID, client.ContainerStartOptions{})
	must(t, err)
	return created.ID
}

// containerOutput returns what a container has written.
func containerOutput(t *testing.T, api *client.Client, id string) string {
	t.Helper()
	logs, err := api.ContainerLogs(context.WithoutCancel(t.Context()), id,
		client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
	must(t, err)
	var text bytes.Buffer
	_, err = stdcopy.StdCopy(&text, &text, logs)
	must(t, errors.Join(err, logs.Close()))
	return text.String()
}

// withStep is a program with a step, on the base image.
const withStep = "context: { location: . }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\nnetwork: none\n"

var stepFiles = map[string]string{"Dockerfile": "FROM BUSYBOX\nCOPY Dockerfile /\nRUN test -s /Dockerfile\n"}

// A privileged job builds on the embedded daemon, without a volume, a setting or another service. overlayfs is not
// possible there, which a line says.
func TestPrivilegedJob(t *testing.T) {
	t.Parallel()
	if !runInJob(t, &containerdEngine, job{privileged: true}) {
		return
	}
	s := open(t, project(t, withStep, stepFiles))
	succeeds(t, s.Up(), "+ 2 created", "each step copies all files of the one before")
	succeeds(t, s.Up("--expect-no-changes"))
	succeeds(t, s.Destroy("--skip-preview"))
}

// A job without any privilege previews, and its update says what is missing.
func TestUnprivilegedJob(t *testing.T) {
	t.Parallel()
	if !runInJob(t, &containerdEngine, job{}) {
		return
	}
	s := open(t, project(t, withStep, stepFiles))
	succeeds(t, s.Preview(), "warning: not built in this preview: no builder can work here", "+ 2 to create")
	fails(t, s.Up("--skip-preview"), "no builder can work here", "the embedded BuildKit daemon cannot run here",
		"no Docker Engine answers at unix:///var/run/docker.sock", "set BUILDKIT_HOST or the input builder.endpoint")
}

// A job with the socket of the runner's engine builds there. The registry is on the loopback of the job, which the
// engine does not have: a tunnel leads to it.
func TestJobWithTheSocketOfItsEngine(t *testing.T) {
	t.Parallel()
	if !runInJob(t, &containerdEngine, job{socket: "/var/run/docker.sock"}) {
		return
	}
	s := open(t, project(t, withStep, stepFiles))
	succeeds(t, s.Up(), "+ 2 created", "the Docker Engine of this machine; it does not reach "+shared.Registry.Host)
	succeeds(t, s.Destroy("--skip-preview"))
}

// A job with the service docker:dind names its engine, which listens with TLS. Job and service share a network, as in a
// pod.
func TestJobWithDockerInDocker(t *testing.T) {
	t.Parallel()
	var j job
	if os.Getenv(jobVariable) == "" {
		j = startDockerInDocker(t, &containerdEngine, true)
	}
	if !runInJob(t, &containerdEngine, j) {
		return
	}
	s := openOn(t, nil, project(t, withStep, stepFiles), "DOCKER_HOST=tcp://builder:2376", "DOCKER_TLS_VERIFY=1",
		"DOCKER_CERT_PATH=/certs/client")
	succeeds(t, s.Up(), "+ 2 created", "building on tcp://builder:2376")
	succeeds(t, s.Destroy("--skip-preview"))
}

// Our BuildKit in an engine that has no file system for overlayfs says what that costs, as the embedded daemon does.
func TestJobWithDockerInDockerWithoutAVolume(t *testing.T) {
	t.Parallel()
	var j job
	if os.Getenv(jobVariable) == "" {
		j = startDockerInDocker(t, &containerdEngine, false)
	}
	if !runInJob(t, &containerdEngine, j) {
		return
	}
	s := openOn(t, nil, project(t, withStep, stepFiles), "DOCKER_HOST=tcp://builder:2376", "DOCKER_TLS_VERIFY=1",
		"DOCKER_CERT_PATH=/certs/client")
	r := s.Up("--skip-preview")
	succeeds(t, r, "+ 2 created", "so our BuildKit runs there")
	if n := strings.Count(r.All(), "each step copies all files of the one before"); n != 1 {
		t.Errorf("the note is there %d times:\n%s", n, r.All())
	}
	succeeds(t, s.Destroy("--skip-preview"))
}

// startDockerInDocker starts a Docker Engine in a container of another one, as the image docker:dind does. It returns
// the job that may use it. Without a volume the engine has the classic store.
func startDockerInDocker(t *testing.T, e *enginetest.Engine, volume bool) job {
	t.Helper()
	api, err := client.New(client.WithHost(e.Host(t)))
	must(t, err)
	t.Cleanup(func() { _ = api.Close() })
	c, folder := newCertificates(t, t.TempDir()), t.TempDir()
	for name, from := range map[string]string{"ca.pem": "ca", "cert.pem": "client", "key.pem": "client-key"} {
		must(t, os.Link(c.path(from), filepath.Join(folder, name)))
	}
	binds := []string{c.dir + ":/certs/server:ro", shared.Bin + ":" + shared.Bin + ":ro"}
	for _, name := range machineFolders {
		if _, err := os.Stat(name); err == nil {
			binds = append(binds, name+":"+name+":ro")
		}
	}
	var volumes map[string]struct{}
	if volume { // as the image docker:dind has it
		volumes = map[string]struct{}{"/var/lib/docker": {}}
	}
	id := startContainer(t, api, container.Config{
		Cmd: []string{
			"dockerd", "--host", "tcp://0.0.0.0:2376", "--tlsverify", "--tlscacert", "/certs/server/ca.pem",
			"--tlscert", "/certs/server/builder.pem", "--tlskey", "/certs/server/builder-key.pem", "--bridge=none",
			"--iptables=false", "--ip6tables=false", "--userland-proxy=false",
			fmt.Sprintf("--feature=containerd-snapshotter=%t", volume),
		},
		Env:     []string{"PATH=" + shared.Bin + ":" + os.Getenv("PATH")},
		Volumes: volumes,
	}, container.HostConfig{
		Privileged: true, NetworkMode: "none", Binds: binds, ExtraHosts: []string{"builder:127.0.0.1"},
	})
	ready := func() bool {
		return strings.Contains(containerOutput(t, api, id), "API listen on")
	}
	if err := stack.WaitUntil(t.Context(), time.Minute, ready); err != nil {
		t.Fatal(err, containerOutput(t, api, id))
	}
	return job{binds: []string{folder + ":/certs/client:ro"}, network: "container:" + id}
}

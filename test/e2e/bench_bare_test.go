//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// bareRounds is how often BenchmarkBareMachine measures at most. A round takes about a minute.
const bareRounds = 5

// The sides of BenchmarkBareMachine. Each begins with empty folders of daemon, plugin and Pulumi.
const (
	sideMounts = "mounts" // pulumi up with cache mounts that travel
	sideHash   = "hash"   // pulumi up of inputs that another machine has built
)

// Measures a new CI machine: no daemon runs, all folders are empty, and a cache is in a registry. One source file has
// changed. Several sides take turns, each with a file that no cache has:
//
//   - a new buildkitd and buildctl build, with the same cache
//   - pulumi up
//   - pulumi up with cache mounts that travel
//   - pulumi up of unchanged inputs with a tag of {hash}
//
// The times of pulumi up are without what Pulumi itself takes: a further one with nothing to do.
func BenchmarkBareMachine(b *testing.B) {
	if runtime.GOARCH != "amd64" {
		b.Skip("NOT RUN: the base images hold programs of this machine, for amd64")
	}
	for _, kind := range []struct {
		name string
		app  func(*testing.B, *packageServer) bareApp
	}{{"node", nodeApp}, {"go", goApp}, {"python", pythonApp}} {
		b.Run(kind.name, func(b *testing.B) { measureBare(b, kind.app(b, startPackages(b))) })
	}
}

// bareBench measures one application.
type bareBench struct {
	app        bareApp
	repository string
	round      int
	times      map[string][]time.Duration
}

func measureBare(b *testing.B, app bareApp) {
	b.Helper()
	m := &bareBench{app: app, repository: repository(b), times: map[string][]time.Duration{}}
	m.prepare(b)
	sides := []func(*testing.B){m.runBuildctl, m.runUp, m.runMounts, m.runHash}
	for ; b.Loop(); m.round++ {
		for i := range sides {
			if m.round < bareRounds {
				sides[(m.round+i)%len(sides)](b)
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	for side, times := range m.times {
		b.ReportMetric(median(times).Seconds(), side+"-s")
		if side != sideBuildctl && side != sideUnchanged {
			b.ReportMetric(m.ratio(side), side+"-ratio")
		}
	}
}

// ratio returns the median, over the rounds, of the time of a side to that of buildctl.
func (m *bareBench) ratio(side string) float64 {
	ratios := make([]float64, len(m.times[side]))
	for i, took := range m.times[side] {
		ratios[i] = took.Seconds() / m.times[sideBuildctl][i].Seconds()
	}
	return median(ratios)
}

// open returns a stack on a machine that is as good as new.
func (m *bareBench) open(b *testing.B, properties, changed string) *stack.Test {
	b.Helper()
	files := maps.Clone(m.app.files)
	if changed != "" {
		files[m.app.changed] += m.app.comment + changed + "\n"
	}
	return stack.New(b, stack.Config{Bin: shared.Bin, Program: project(b, fmt.Sprintf(`
context: { location: . }
platforms: [linux/amd64]
cacheFrom: [{ registry: { ref: "%[1]s:cache" } }]
tags: ["%[1]s:latest"%[2]s
`, m.repository, properties), files)})
}

// prepare has another machine build the application before the change, and write its caches.
func (m *bareBench) prepare(b *testing.B) {
	b.Helper()
	s := m.open(b, fmt.Sprintf(`, "%[1]s:{hash}"]
cacheTo: [{ registry: { ref: "%[1]s:cache", mode: max, imageManifest: true } }]
`, m.repository)+m.cacheMounts(true), "")
	succeeds(b, s.Up("--skip-preview"), "wrote the cache", "saved the cache mount")
}

// cacheMounts returns the input that keeps cache mounts in the registry.
func (m *bareBench) cacheMounts(save bool) string {
	return fmt.Sprintf("cacheMounts: { ref: \"%s-mounts\", save: %t }\n", m.repository, save)
}

func (m *bareBench) runUp(b *testing.B) { m.runPlugin(b, sideUp, "]") }

func (m *bareBench) runMounts(b *testing.B) { m.runPlugin(b, sideMounts, "]\n"+m.cacheMounts(false)) }

// runPlugin measures pulumi up after a change.
func (m *bareBench) runPlugin(b *testing.B, side, properties string) {
	b.Helper()
	s := m.open(b, properties, fmt.Sprintln(b.Name(), side, m.round))
	m.measureUp(b, s, side)
}

// runHash measures pulumi up of the inputs that another machine has built.
func (m *bareBench) runHash(b *testing.B) {
	b.Helper()
	m.measureUp(b, m.open(b, fmt.Sprintf(`, "%s:{hash}"]`, m.repository), ""), sideHash)
}

func (m *bareBench) measureUp(b *testing.B, s *stack.Test, side string) {
	b.Helper()
	start := time.Now()
	succeeds(b, s.Up("--skip-preview"))
	took, again := time.Since(start), time.Now()
	succeeds(b, s.Up("--skip-preview", "--expect-no-changes"))
	unchanged := time.Since(again)
	m.times[side] = append(m.times[side], took-unchanged)
	m.times[sideUnchanged] = append(m.times[sideUnchanged], unchanged)
}

// runBuildctl measures a new daemon and a build on it.
func (m *bareBench) runBuildctl(b *testing.B) {
	b.Helper()
	dir, err := os.MkdirTemp("", "bare-") //nolint:usetesting // short: the path of a socket has 107 bytes
	must(b, err)
	defer func() { _ = os.RemoveAll(dir) }()
	files := maps.Clone(m.app.files)
	files[m.app.changed] += m.app.comment + fmt.Sprintln(b.Name(), sideBuildctl, m.round)
	app := filepath.Join(dir, "app")
	must(b, os.CopyFS(app, project(b, "", files)))
	start := time.Now()
	socket, end := startBareDaemon(b, dir)
	defer end()
	out, err := exec.CommandContext(b.Context(), filepath.Join(shared.Bin, "buildctl"), "--addr", "unix://"+socket,
		"build", "--frontend", "dockerfile.v0", "--local", "context="+app, "--local", "dockerfile="+app,
		"--opt", "platform=linux/amd64", "--import-cache", "type=registry,ref="+m.repository+":cache",
		"--output", "type=image,push=true,oci-mediatypes=true,name="+m.repository+"-buildctl:1").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("inferred cache manifest type")) {
		b.Fatalf("buildctl: %v: %s", err, out)
	}
	m.times[sideBuildctl] = append(m.times[sideBuildctl], time.Since(start))
}

// startBareDaemon starts BuildKit's daemon with an empty folder and returns its socket when it listens.
func startBareDaemon(b *testing.B, dir string) (socket string, end func()) {
	b.Helper()
	socket = filepath.Join(dir, "b.sock")
	cmd := exec.CommandContext(b.Context(), filepath.Join(shared.Bin, "buildkitd"), "--addr", "unix://"+socket,
		"--root", filepath.Join(dir, "root"), "--containerd-worker=false",
		"--otel-socket-path", filepath.Join(dir, "otel.sock"))
	cmd.Env = []string{"PATH=" + shared.Bin + ":" + os.Getenv("PATH")} // runc
	must(b, cmd.Start())
	must(b, stack.WaitUntil(b.Context(), time.Minute, func() bool {
		_, err := os.Stat(socket)
		return err == nil
	}))
	return socket, func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // it tells of the signal
	}
}

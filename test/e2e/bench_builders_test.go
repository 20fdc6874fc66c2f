//go:build linux

package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// crossCompiling is a Dockerfile whose step runs on the platform of the builder and needs no network, so that every
// builder of the tests can run it.
const crossCompiling = `FROM --platform=$BUILDPLATFORM BUSYBOX AS build
COPY greeting /greeting
RUN --network=none tr a-z A-Z </greeting >/upper
FROM BUSYBOX
COPY --from=build /upper /upper
`

// benchmarkIdle is how long embedded daemons outlive their last lease. buildctl takes none.
const benchmarkIdle = 10 * time.Second

// contender is one way to reach a builder, for the provider and for buildctl.
type contender struct {
	machine  *daemontest.Machine                              // runs the provider; nil: root on this machine
	builder  string                                           // the input of the image; "": nothing
	env      []string                                         // of the provider
	buildctl func(*stack.Test) (options []string, env string) // how buildctl connects; env is a PATH or ""
}

// Compares the provider with buildctl on each kind of builder: each builds one changed file for two platforms and
// pushes, in turn, with the same options on the same builder. The time of the provider is from the engine's line that
// the update begins to the line that it is done.
//
// buildctl cannot connect to the BuildKit of a Docker Engine, or to our BuildKit in it: it connects to a socket whose
// connections are dialed as the provider dials.
func BenchmarkBuildAndPush(b *testing.B) {
	b.Setenv("PATH", shared.Bin+":/usr/sbin:/usr/bin:/sbin:/bin") // the programs of our BuildKit in an engine
	for _, kind := range []struct {
		name    string
		prepare func(*testing.B) contender
	}{
		{"embedded", embeddedContender},
		{"embedded-rootless", rootlessContender},
		{"unix", unixContender},
		{"tcp-mTLS", secureContender},
		{"engine-containerd", engineContender},
		{"engine-classic", classicContender},
		{"buildx-docker-container", buildxContender},
		{"kube-pod", podContender},
		{"ssh", sshContender},
	} {
		b.Run(kind.name, func(b *testing.B) { compare(b, kind.prepare(b)) })
	}
}

// compare measures both sides, each first in every other round, and reports the median of the rounds' ratios.
func compare(b *testing.B, c contender) {
	watch := &stopwatch{}
	properties := twoPlatforms + c.builder
	s := stack.New(b, stack.Config{
		Bin: shared.Bin, Idle: benchmarkIdle, Machine: c.machine, Env: c.env, Output: watch,
		Program: project(b, properties, map[string]string{
			"Dockerfile": crossCompiling, "greeting": "hello\n", ".dockerignore": "Pulumi*.yaml\n",
		}),
	})
	succeeds(b, s.Up("--skip-preview"))
	options, env := c.buildctl(s)
	runBuildctl(b, s, options, env)
	var provider, buildctl []time.Duration
	for i := 0; b.Loop(); i++ {
		sides := []func(){
			func() {
				must(b, s.Write("greeting", fmt.Sprint(b.Name(), " provider ", i)))
				watch.reset()
				succeeds(b, s.Up("--skip-preview"))
				provider = append(provider, watch.took(b))
			},
			func() {
				must(b, s.Write("greeting", fmt.Sprint(b.Name(), " buildctl ", i)))
				buildctl = append(buildctl, runBuildctl(b, s, options, env))
			},
		}
		if i%2 == 1 {
			slices.Reverse(sides)
		}
		for _, side := range sides {
			side()
		}
	}
	ratios := make([]float64, len(provider))
	for i := range ratios {
		ratios[i] = provider[i].Seconds() / buildctl[i].Seconds()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(provider).Seconds(), "provider-s")
	b.ReportMetric(median(buildctl).Seconds(), "buildctl-s")
	b.ReportMetric(median(ratios), "ratio")
	succeeds(b, s.Destroy("--skip-preview"))
}

// runBuildctl builds and pushes with buildctl and returns how long that took.
func runBuildctl(b *testing.B, s *stack.Test, options []string, env string) time.Duration {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), filepath.Join(shared.Bin, "buildctl"), append(options, "build",
		"--frontend", "dockerfile.v0", "--local", "context="+s.Dir, "--local", "dockerfile="+s.Dir,
		"--opt", "platform=linux/amd64,linux/arm64",
		"--output", "type=image,push=true,oci-mediatypes=true,name="+repository(b)+":buildctl")...)
	if env != "" {
		cmd.Env = []string{env}
	}
	started := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("buildctl: %v: %s", err, out)
	}
	return time.Since(started)
}

var (
	updatingPattern = regexp.MustCompile(`buildkit:index:Image image updating`)
	updatedPattern  = regexp.MustCompile(`buildkit:index:Image image updated`)
)

// stopwatch notes when the output of the CLI says that the update of the image begins, and that it is done. The CLI
// itself tells whole seconds.
type stopwatch struct {
	mu          sync.Mutex
	text        strings.Builder
	began, done time.Time
}

// Write implements io.Writer.
func (w *stopwatch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if w.began.IsZero() && updatingPattern.MatchString(w.text.String()) {
		w.began = time.Now()
	}
	if w.done.IsZero() && updatedPattern.MatchString(w.text.String()) {
		w.done = time.Now()
	}
	return len(p), nil
}

func (w *stopwatch) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Reset()
	w.began, w.done = time.Time{}, time.Time{}
}

// took returns how long the update took.
func (w *stopwatch) took(b *testing.B) time.Duration {
	b.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.began.IsZero() || w.done.IsZero() {
		b.Fatalf("the output tells of no update:\n%s", &w.text)
	}
	return w.done.Sub(w.began)
}

//go:build linux

package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// benchmarkIdle is how long embedded daemons outlive their last lease. buildctl takes none.
const benchmarkIdle = 18 * time.Second

// contender is one way to reach a builder, for the plugin and for buildctl.
type contender struct {
	machine  *daemontest.Machine                              // runs the plugin; nil: root on this machine
	builder  string                                           // the input of the image; "": nothing
	env      []string                                         // of the plugin
	registry string                                           // the host to push to; "": that of the tests
	buildctl func(*stack.Test) (options []string, env string) // how buildctl connects; env is a PATH or ""
}

// Compares the plugin with buildctl on each kind of builder. Each builds an image of which one file has changed, for
// two platforms, and pushes it, with the same options on the same builder.
//
// Four things take turns in each round, and another one begins each round:
//
//   - buildctl build
//   - the plugin alone: Check and Update, called as the engine calls them
//   - pulumi up
//   - pulumi up once more, with nothing to do: what Pulumi needs for any program
//
// buildctl cannot connect to the BuildKit of a Docker Engine, or to our BuildKit in it: it connects to a socket whose
// connections are dialed as the plugin dials.
func BenchmarkBuildAndPush(b *testing.B) {
	b.Setenv("PATH", shared.Bin+":/usr/sbin:/usr/bin:/sbin:/bin") // the programs of our BuildKit in an engine
	for _, build := range []benchmarkBuild{smallBuild(), usualBuild()} {
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
			{"far-registry", farRegistryContender},
		} {
			b.Run(build.name+"/"+kind.name, func(b *testing.B) { compare(b, build, kind.prepare(b)) })
		}
	}
}

// comparison measures the sides on one builder.
type comparison struct {
	build      benchmarkBuild
	stack      *stack.Test
	plugin     *directImage
	buildctl   []string // the command line
	env        []string // of buildctl
	repository string

	times map[string][]time.Duration // of each side
}

// The sides of a comparison. A round of sideUp also measures sideUnchanged.
const (
	sideBuildctl  = "buildctl"
	sidePlugin    = "plugin"
	sideUp        = "up"
	sideUnchanged = "unchanged"
)

// compare measures all sides, and reports medians of their times and of the ratios of each round.
func compare(b *testing.B, build benchmarkBuild, c contender) {
	m := newComparison(b, build, c)
	sides := []string{sideBuildctl, sidePlugin, sideUp}
	for _, side := range []string{sideBuildctl, sidePlugin} { // the first build of each sends the whole context
		m.run(b, side, "first")
	}
	m.times = map[string][]time.Duration{}
	for round := 0; b.Loop(); round++ {
		for i := range sides {
			m.run(b, sides[(round+i)%len(sides)], fmt.Sprint(round))
		}
	}
	b.ReportMetric(0, "ns/op")
	for side, times := range m.times {
		b.ReportMetric(median(times).Seconds(), side+"-s")
	}
	b.ReportMetric(m.ratio(func(i int) time.Duration { return m.times[sidePlugin][i] }), "plugin-ratio")
	b.ReportMetric(m.ratio(func(i int) time.Duration {
		return m.times[sideUp][i] - m.times[sideUnchanged][i]
	}), "up-ratio")
	succeeds(b, m.stack.Destroy("--skip-preview"))
}

func newComparison(b *testing.B, build benchmarkBuild, c contender) *comparison {
	b.Helper()
	repository := repositoryAt(b, c.registry)
	properties := fmt.Sprintf(`
context: { location: . }
platforms: [linux/amd64, linux/arm64]
tags: ["%s-up:1"]
`, repository) + c.builder
	s := stack.New(b, stack.Config{
		Bin: shared.Bin, Idle: benchmarkIdle, Machine: c.machine, Env: c.env,
		Program: project(b, properties, build.files),
	})
	m := &comparison{
		build: build, stack: s, repository: repository, plugin: newDirectImage(b, s, properties),
		times: map[string][]time.Duration{},
	}
	m.run(b, sideUp, "first") // the embedded daemon has a socket from now on
	options, env := c.buildctl(s)
	m.buildctl = append(options, "build", "--frontend", "dockerfile.v0", "--local", "context="+s.Dir,
		"--local", "dockerfile="+s.Dir, "--opt", "platform=linux/amd64,linux/arm64",
		"--output", "type=image,push=true,oci-mediatypes=true,name="+repository+"-buildctl:1")
	if env != "" {
		m.env = []string{env}
	}
	return m
}

// run changes a file and has one side build it. Text makes the file one that no cache has.
func (m *comparison) run(b *testing.B, side, text string) {
	b.Helper()
	must(b, m.stack.Write(m.build.changed, fmt.Sprintln(b.Name(), side, text)))
	start := time.Now()
	took := func() time.Duration { return time.Since(start) }
	switch side {
	case sideBuildctl:
		runBuildctl(b, m.buildctl, m.env)
	case sidePlugin:
		took = m.plugin.apply(b)
	case sideUp:
		succeeds(b, m.stack.Up("--skip-preview"))
		m.times[side] = append(m.times[side], took())
		side, start = sideUnchanged, time.Now()
		succeeds(b, m.stack.Up("--skip-preview", "--expect-no-changes"))
	}
	m.times[side] = append(m.times[side], took())
}

// ratio returns the median, over the rounds, of a time to that of buildctl.
func (m *comparison) ratio(of func(round int) time.Duration) float64 {
	ratios := make([]float64, len(m.times[sideBuildctl]))
	for i, took := range m.times[sideBuildctl] {
		ratios[i] = of(i).Seconds() / took.Seconds()
	}
	return median(ratios)
}

// runBuildctl builds and pushes with buildctl.
func runBuildctl(b *testing.B, args, env []string) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), filepath.Join(shared.Bin, "buildctl"), args...)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("buildctl: %v: %s", err, out)
	}
}

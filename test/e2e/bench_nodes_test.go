//go:build linux

package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source/sourcetest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// Compares two builders, the second one for linux/arm64, with one that builds both platforms. Here both emulate
// linux/arm64, so that only the parallel work differs, and not the speed of a machine that has the platform.
func BenchmarkTwoNodes(b *testing.B) {
	keepEmulation(b)
	const properties = "context: { location: . }\nplatforms: [linux/amd64, linux/arm64]\ntags: [\"REPO:1\"]\n"
	const dockerfile = "FROM BUSYBOX\nCOPY number /\nRUN for i in $(seq 300); do sha256sum /bin/busybox; done >/sums\n"
	files := map[string]string{"Dockerfile": dockerfile, "number": "", ".dockerignore": "Pulumi*.yaml\n"}
	first, second := "unix://"+elsewhere.start(b).socket, "unix://"+secondNode.start(b).socket
	one, two := open(b, project(b, properties, files)), open(b, project(b, properties, files))
	cli(b, one, "config", "set", "buildkit:host", first)
	cli(b, two, "config", "set-all", "--path", "--plaintext", "buildkit:builders[0].endpoint="+first,
		"--plaintext", "buildkit:builders[1].endpoint="+second,
		"--plaintext", "buildkit:builders[1].platforms[0]=linux/arm64")
	times := map[*stack.Test][]time.Duration{}
	for round := 0; b.Loop(); round++ {
		for i := range 2 {
			s := []*stack.Test{one, two}[(round+i)%2]
			must(b, s.Write("number", fmt.Sprintln(b.Name(), round, i)))
			r := s.Up("--skip-preview")
			succeeds(b, r)
			times[s] = append(times[s], r.Elapsed)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(times[one]).Seconds(), "one-s")
	b.ReportMetric(median(times[two]).Seconds(), "two-s")
	b.ReportMetric(median(times[two]).Seconds()/median(times[one]).Seconds(), "ratio")
	succeeds(b, one.Destroy("--skip-preview"))
	succeeds(b, two.Destroy("--skip-preview"))
}

// Measures pulumi up of 24 images, each with a step that waits for 4 s, on 1 to 4 builders that share them. A builder
// runs two steps at a time, as one with two cores does. A step that waits needs no core here, so that one machine
// stands for several. The documentation of scale compares the times with those of a simulation.
func BenchmarkNodes(b *testing.B) {
	for _, nodes := range []int{1, 2, 4} {
		b.Run(fmt.Sprint(nodes), func(b *testing.B) {
			daemons := make([]remoteDaemon, nodes)
			endpoints := make([]string, nodes)
			for i := range daemons {
				daemons[i].steps = 2
				endpoints[i] = "unix://" + daemons[i].start(b).socket
				defer func() { must(b, daemons[i].end()) }()
			}
			var times, computed []time.Duration
			for round := 0; b.Loop(); round++ {
				dockerfile := fmt.Sprintf("FROM BUSYBOX\nARG NUMBER\nRUN sleep 4 # $NUMBER %d\n", round)
				s := open(b, alike(b, 24, dockerfile))
				cli(b, s, shareAmong(endpoints...)...)
				r := s.Up("--skip-preview", "--parallel", "32")
				succeeds(b, r, "+ 25 created")
				times, computed = append(times, r.Elapsed), append(computed, r.Computed)
				succeeds(b, s.Destroy("--skip-preview"))
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(times).Seconds(), "up-s")
			b.ReportMetric(median(computed).Seconds()/24*1000, "computed-ms/image")
		})
	}
}

// Compares the very first transfer of 200,000 files, 1 GB, with buildctl's: to the end of a COPY of all, without an
// image. Each build has a new daemon.
func BenchmarkFirstTransfer(b *testing.B) {
	const properties = "context: { location: ../app }\nplatforms: [linux/amd64]\nwatch: all\npush: false\n" +
		"exports: [{ cacheonly: {} }]\n"
	s := openWithUserSettings(b, project(b, properties, nil))
	folder := filepath.Join(s.Dir, "../app")
	must(b, s.Write("../app/Dockerfile", "FROM scratch\nCOPY . /\n"))
	must(b, sourcetest.Fill(folder))
	times := map[string][]time.Duration{}
	for round := 0; b.Loop(); round++ {
		sides := []string{sideBuildctl, sidePlugin}
		for i := range sides {
			side := sides[(round+i)%len(sides)]
			var daemon remoteDaemon
			daemon.start(b)
			start := time.Now()
			took := func() time.Duration { return time.Since(start) }
			if side == sideBuildctl {
				runBuildctl(b, []string{"--addr", "unix://" + daemon.socket, "build", "--frontend", "dockerfile.v0",
					"--local", "context=" + folder, "--local", "dockerfile=" + folder,
					"--opt", "platform=linux/amd64"}, nil)
			} else {
				took = newDirectImage(b, s, properties+daemon.endpoint(b)).apply(b)
			}
			times[side] = append(times[side], took())
			must(b, daemon.end())
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(times[sideBuildctl]).Seconds(), "buildctl-s")
	b.ReportMetric(median(times[sidePlugin]).Seconds(), "plugin-s")
	b.ReportMetric(median(times[sidePlugin]).Seconds()/median(times[sideBuildctl]).Seconds(), "ratio")
}

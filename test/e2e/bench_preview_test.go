//go:build linux

package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source/sourcetest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// Measures a preview without changes, with a watched context of 200,000 files and 1 GB, and one of an empty program.
// The context is outside of the program's folder, because the language host of YAML searches that folder at each
// command.
func BenchmarkNoChangePreview(b *testing.B) {
	const watched = `
context: { location: ../app }
platforms: [linux/amd64]
tags: ["REPO:1"]
watch: all
`
	s := openWithUserSettings(b, project(b, watched, nil))
	must(b, s.Write("../app/Dockerfile", "FROM scratch\nCOPY d0 /\n"))
	must(b, sourcetest.Fill(filepath.Join(s.Dir, "../app")))
	empty := openWithUserSettings(b, program(b, "outputs: { nothing: none }\n", nil))
	succeeds(b, empty.Up("--skip-preview"))
	succeeds(b, s.Up("--skip-preview"))
	succeeds(b, s.Preview("--expect-no-changes"))

	var ours, theirs []time.Duration
	for b.Loop() {
		theirs = append(theirs, preview(b, empty))
		ours = append(ours, preview(b, s))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(ours).Seconds(), "big-s")
	b.ReportMetric(median(theirs).Seconds(), "empty-s")
	b.ReportMetric((median(ours) - median(theirs)).Seconds(), "over-empty-s")
	b.ReportMetric(pluginMemory(b, func() { preview(b, s) }), "plugin-MB")
	succeeds(b, s.Destroy("--skip-preview"))
}

// openWithUserSettings opens a stack whose processes collect garbage as they do for users. Other stacks collect less,
// because their processes are short.
func openWithUserSettings(b testing.TB, program fs.FS) *stack.Test {
	b.Helper()
	return stack.New(b, stack.Config{Bin: shared.Bin, Program: program, Daemon: shared.Daemon, Idle: 5 * time.Second,
		Env: []string{"GOGC="}, Time: time.Hour})
}

// pluginMemory returns the most memory that a plugin used while run ran. It asks the kernel every 20 ms.
func pluginMemory(b testing.TB, run func()) (most float64) {
	b.Helper()
	var group sync.WaitGroup
	done := make(chan struct{})
	group.Go(func() {
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-done:
				tick.Stop()
				return
			case <-tick.C:
			}
			for _, plugin := range stack.ProcessesWith("pulumi-resource-buildkit 127.0.0.1") {
				status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", plugin.PID)) // it may have ended
				if match := peakPattern.FindSubmatch(status); match != nil {
					kilobytes, _ := strconv.ParseFloat(string(match[1]), 64)
					most = max(most, kilobytes/1000)
				}
			}
		}
	})
	run()
	close(done)
	group.Wait()
	if most == 0 {
		b.Error("no plugin was seen to run")
	}
	return most
}

// peakPattern matches the peak memory in /proc/PID/status.
var peakPattern = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// preview returns how long a preview without changes takes.
func preview(b *testing.B, s *stack.Test) time.Duration {
	b.Helper()
	started := time.Now()
	succeeds(b, s.Preview("--expect-no-changes"))
	return time.Since(started)
}

//go:build linux

package e2e

import (
	"bufio"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// Compares the provider with buildctl: each builds one changed file for two platforms and pushes, in turn, with the
// same options on the same daemon. The time of the provider is what the engine reports for the update.
func BenchmarkBuildAndPush(b *testing.B) {
	s := stack.New(b, stack.Config{
		Bin: shared.Bin, Daemon: shared.Daemon, Idle: 5 * time.Second,
		Program: project(b, twoPlatforms,
			map[string]string{"Dockerfile": forkingDockerfile, "greeting": "hello\n",
				".dockerignore": "Pulumi*.yaml\n"}),
	})
	succeeds(b, s.Up("--skip-preview"))
	var provider, buildctl []time.Duration
	for i := 0; b.Loop(); i++ {
		must(b, s.Write("greeting", fmt.Sprint("provider ", i)))
		provider = append(provider, updateTime(b, s.Up("--skip-preview")))
		must(b, s.Write("greeting", fmt.Sprint("buildctl ", i)))
		buildctl = append(buildctl, runBuildctl(b, s))
	}
	ours, theirs := median(provider), median(buildctl)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ours.Seconds(), "provider-s")
	b.ReportMetric(theirs.Seconds(), "buildctl-s")
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ratio")
	succeeds(b, s.Destroy("--skip-preview"))
}

// Measures the time from the start of the plugin's process until it prints its port.
func BenchmarkPluginStart(b *testing.B) {
	for b.Loop() {
		plugin := exec.CommandContext(b.Context(), filepath.Join(shared.Bin, "pulumi-resource-buildkit"), "127.0.0.1:1")
		stdout, err := plugin.StdoutPipe()
		must(b, err)
		must(b, plugin.Start())
		port, err := bufio.NewReader(stdout).ReadString('\n')
		if err != nil || strings.TrimSpace(port) == "" {
			b.Errorf("the plugin said %q: %v", port, err)
		}
		b.StopTimer()
		must(b, plugin.Process.Kill())
		_ = plugin.Wait()
		b.StartTimer()
	}
}

// updatedPattern matches the time that the engine reports for the update of the image.
var updatedPattern = regexp.MustCompile(`buildkit:index:Image image updated \((\d+(?:\.\d+)?m?s)\)`)

// updateTime returns how long the update of the image took.
func updateTime(b *testing.B, result stack.Result) time.Duration {
	b.Helper()
	succeeds(b, result)
	match := updatedPattern.FindStringSubmatch(result.Stdout)
	if match == nil {
		b.Fatalf("the output names no update and its time:\n%s", result.All())
	}
	took, err := time.ParseDuration(match[1])
	must(b, err)
	return took
}

// runBuildctl builds and pushes with buildctl and returns how long that took.
func runBuildctl(b *testing.B, s *stack.Test) time.Duration {
	b.Helper()
	socket := filepath.Join(s.Daemon, "buildkitd.sock")
	started := time.Now()
	out, err := exec.CommandContext(b.Context(), filepath.Join(shared.Bin, "buildctl"), "--addr", "unix://"+socket,
		"build",
		"--frontend", "dockerfile.v0", "--local", "context="+s.Dir, "--local", "dockerfile="+s.Dir,
		"--opt", "platform=linux/amd64,linux/arm64",
		"--output", "type=image,push=true,oci-mediatypes=true,name="+repository(b)+":buildctl").CombinedOutput()
	if err != nil {
		b.Fatalf("buildctl: %v: %s", err, out)
	}
	return time.Since(started)
}

// median returns the middle value.
func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

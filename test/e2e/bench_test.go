//go:build linux

package e2e

import (
	"bufio"
	"cmp"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

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

// median returns the middle value.
func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

//go:build linux

package examples

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/examples/stack"
)

// A preview that finds nothing changed in a context of 200,000 files and 1 GB, all of them watched, beside the preview of an
// empty program.
func BenchmarkNoChangePreview(b *testing.B) {
	const watched = `
context: { location: app }
platforms: [linux/amd64]
tags: ["REPO:1"]
watch: all
`
	s := open(b, project(b, watched, map[string]string{"app/Dockerfile": "FROM scratch\nCOPY d0 /\n"}))
	fill(b, filepath.Join(s.Dir, "app"))
	empty := open(b, program(b, "outputs: { nothing: none }\n", nil))
	ok(b, empty.Up("--skip-preview"))
	ok(b, s.Up("--skip-preview"))
	ok(b, s.Preview("--expect-no-changes"))

	var ours, theirs []time.Duration
	for b.Loop() {
		theirs = append(theirs, preview(b, empty))
		ours = append(ours, preview(b, s))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(ours).Seconds(), "big-s")
	b.ReportMetric(median(theirs).Seconds(), "empty-s")
	b.ReportMetric((median(ours) - median(theirs)).Seconds(), "over-empty-s")
	ok(b, s.Destroy("--skip-preview"))
}

func preview(b *testing.B, s *stack.Test) time.Duration {
	b.Helper()
	started := time.Now()
	ok(b, s.Preview("--expect-no-changes"))
	return time.Since(started)
}

// fill writes 200,000 files of 5 KB below dir, in 4,000 folders.
func fill(b *testing.B, dir string) {
	b.Helper()
	content := bytes.Repeat([]byte("0123456789abcdef"), 320)
	for f := range 200_000 {
		folder := filepath.Join(dir, fmt.Sprintf("d%d", f/2000), fmt.Sprintf("s%d", f/50%40))
		if f%50 == 0 {
			must(b, os.MkdirAll(folder, 0o755))
		}
		copy(content, fmt.Sprintf("%016d", f))
		must(b, os.WriteFile(filepath.Join(folder, fmt.Sprintf("file%d.txt", f%50)), content, 0o644))
	}
	<-time.After(3 * time.Second) // files younger than two seconds are not remembered
}

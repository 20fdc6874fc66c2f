//go:build linux

package e2e

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Measures programs of 1 to 1,000 small images for two platforms. Each image has its own context, and its own step on
// each platform of the builder's architecture.
//
// A program is previewed with all builds, then updated, then previewed without changes. A large one is measured once.
func BenchmarkManyImages(b *testing.B) {
	for _, count := range []int{1, 32, 200, 1000} {
		b.Run(strconv.Itoa(count), func(b *testing.B) {
			var first, up, unchanged []time.Duration
			var memory []float64
			for round := 0; b.Loop(); round++ {
				if count >= 200 && round > 0 {
					continue
				}
				s := openWithUserSettings(b, manyImages(b, count, fmt.Sprint(round)))
				measure := func(run func()) time.Duration {
					started := time.Now()
					memory = append(memory, pluginMemory(b, run))
					return time.Since(started)
				}
				first = append(first, measure(func() { succeeds(b, s.Preview()) }))
				up = append(up, measure(func() { succeeds(b, s.Up("--skip-preview")) }))
				unchanged = append(unchanged, measure(func() { succeeds(b, s.Preview("--expect-no-changes")) }))
				succeeds(b, s.Destroy("--skip-preview"))
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(first).Seconds(), "first-preview-s")
			b.ReportMetric(median(up).Seconds(), "up-s")
			b.ReportMetric(median(unchanged).Seconds(), "unchanged-s")
			most := 0.0
			for _, m := range memory {
				most = max(most, m)
			}
			b.ReportMetric(most, "plugin-MB")
		})
	}
}

// manyImages returns a program of small images. Text makes them ones that no cache has.
func manyImages(t testing.TB, count int, text string) fs.FS {
	t.Helper()
	resources, files := manyResources(t, count, text)
	return program(t, resources, files)
}

// manyResources returns the resources and files of such a program.
func manyResources(t testing.TB, count int, text string) (resources string, files map[string]string) {
	t.Helper()
	var yaml strings.Builder
	yaml.WriteString("resources:\n")
	files = map[string]string{}
	for i := range count {
		folder := fmt.Sprintf("apps/%04d", i)
		fmt.Fprintf(&yaml, `  image%04d:
    type: buildkit:Image
    properties:
      context: { location: %s }
      platforms: [linux/amd64, linux/arm64]
      tags: ["REPO/%04d:1"]
`, i, folder, i)
		files[folder+"/Dockerfile"] = smallBuild().files["Dockerfile"]
		files[folder+"/greeting"] = fmt.Sprintln(t.Name(), text, i)
	}
	return yaml.String(), files
}

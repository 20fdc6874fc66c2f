//go:build linux

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// smallStep is the step of smallBuild.
const smallStep = "tr a-z A-Z </greeting >/upper"

// parallelWorkloads are what BenchmarkParallelBuilds builds, by name: a number of images with a step.
var parallelWorkloads = map[string]struct {
	images int
	step   string
	far    bool // the registry is 10 ms away
}{
	"small":    {images: 32, step: smallStep},
	"far":      {images: 32, step: smallStep, far: true},
	"computes": {images: 8, step: "dd if=/dev/zero bs=1M count=500 | sha256sum - /greeting >/upper"},
	"waits":    {images: 8, step: "sleep 2 && cp /greeting /upper"},
	"both":     {images: 8, step: "sleep 1 && dd if=/dev/zero bs=1M count=300 | sha256sum - /greeting >/upper"},
}

// Compares limits of maxParallelBuilds. The updates take turns, one with each limit in a round. 0 is the default, and
// 1000 is none.
func BenchmarkParallelBuilds(b *testing.B) {
	for name, work := range parallelWorkloads {
		b.Run(name, func(b *testing.B) {
			host := ""
			if work.far {
				host = startSlowLink(b, shared.Registry.Host, 10*time.Millisecond)
			}
			times := map[int][]time.Duration{}
			for round := 0; b.Loop(); round++ {
				for _, limit := range []int{0, 2, 4, 1000} {
					text := fmt.Sprintf("%s %d %d", name, round, limit)
					resources, files := manyResources(b, work.images, text)
					for path, text := range files {
						files[path] = strings.Replace(text, smallStep, work.step, 1)
					}
					resources = strings.ReplaceAll(resources, "REPO", repositoryAt(b, host))
					if limit > 0 {
						resources += fmt.Sprintf("config: { \"buildkit:maxParallelBuilds\": { value: %d } }\n", limit)
					}
					s := openWithUserSettings(b, program(b, resources, files))
					start := time.Now()
					succeeds(b, s.Up("--skip-preview"))
					times[limit] = append(times[limit], time.Since(start))
				}
			}
			b.ReportMetric(0, "ns/op")
			for limit, took := range times {
				b.ReportMetric(median(took).Seconds(), fmt.Sprintf("limit-%d-s", limit))
			}
		})
	}
}

package buildkit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source/sourcetest"
)

// Fifty images on one context of 200,000 files, all of them watched, each with a Dockerfile of its own: checked one after the
// other as the engine does, and one image alone.
func BenchmarkFiftyImages(b *testing.B) {
	dir := b.TempDir()
	if err := sourcetest.Fill(dir); err != nil {
		b.Fatal(err)
	}
	load := func(walks *buildkit.Walks, image int) {
		b.Helper()
		files := buildkit.Files{Context: dir, Inline: fmt.Appendf(nil, "FROM scratch\nCOPY d%d /\n", image)}
		in, err := walks.Load(b.Context(), buildkit.Plan{Files: files, WatchAll: true})
		if err != nil {
			b.Fatal(err)
		}
		in.Hash()
	}
	load(nil, 0) // the cache knows the files from here on
	var one, fifty time.Duration
	for b.Loop() {
		started := time.Now()
		load(&buildkit.Walks{}, 0)
		one += time.Since(started)
		started = time.Now()
		shared := &buildkit.Walks{}
		for image := range 50 {
			load(shared, image)
		}
		fifty += time.Since(started)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(one.Seconds()/float64(b.N), "one-s")
	b.ReportMetric(fifty.Seconds()/float64(b.N), "fifty-s")
	b.ReportMetric(float64(fifty)/float64(one), "x_one")
}

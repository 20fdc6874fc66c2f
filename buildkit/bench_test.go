package buildkit_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source/sourcetest"
)

// BenchmarkFiftyImages checks fifty images one after the other, as the engine does, and one image alone. They share a
// context of 200,000 files that are all watched, and each has its own Dockerfile.
func BenchmarkFiftyImages(b *testing.B) {
	dir := b.TempDir()
	if err := sourcetest.Fill(dir); err != nil {
		b.Fatal(err)
	}
	load := func(scans *inputs.SharedScans, image int) {
		b.Helper()
		files := inputs.Files{Context: dir, Inline: fmt.Appendf(nil, "FROM scratch\nCOPY d%d /\n", image)}
		in, err := scans.Load(b.Context(), inputs.Plan{Files: files, WatchAll: true}, nil)
		if err != nil {
			b.Fatal(err)
		}
		in.Hash()
	}
	load(nil, 0) // the cache knows the files from here on
	var one, fifty time.Duration
	for b.Loop() {
		started := time.Now()
		load(&inputs.SharedScans{}, 0)
		one += time.Since(started)
		started = time.Now()
		shared := &inputs.SharedScans{}
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

// BenchmarkOneChangedFile changes one file in a context of 1,000 files and 1 GB on a warm daemon. It counts the bytes
// that go to the daemon, with the names and times of the other files. It reports each build after the first one.
func BenchmarkOneChangedFile(b *testing.B) {
	builds, dir := newTestBuilderOn(b, &quiet), b.TempDir()
	content, noise := make([]byte, 1<<20), rand.NewChaCha8([32]byte{2})
	write := func(file int) {
		b.Helper()
		_, _ = noise.Read(content) // never fails
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(file)), content, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for file := range 1000 {
		write(file)
	}
	// The image is small, so that its push does not count.
	plan := inlinePlan(dir, "FROM scratch AS all\nCOPY . /\nFROM scratch\nCOPY --from=all /7 /\n")
	plan.Repositories = []string{builds.repository}
	sent := func() int64 {
		b.Helper()
		builds.waitForRelease(b)
		before := builds.written.Load()
		in, err := inputs.Load(b.Context(), plan)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := buildkit.Solve(
			b.Context(), builds.c, plan, in, buildkit.Access{Credentials: noCredentials}, func(buildkit.Event) {},
		); err != nil {
			b.Fatal(err)
		}
		return builds.written.Load() - before
	}
	b.ReportMetric(float64(sent())/1e6, "first-MB")
	for build := range 2 {
		write(7)
		changed := sent()
		b.ReportMetric(float64(changed)/1e6, []string{"second-MB", "third-MB"}[build])
		if changed > 2<<20 {
			b.Errorf("%d bytes were sent of one file of %d", changed, len(content))
		}
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkWithoutImage changes one file in a context of 64 MB and copies all of it. It builds without an image, as
// cacheonly does, and then with one, which compresses the layer.
func BenchmarkWithoutImage(b *testing.B) {
	builds, dir := newTestBuilderOn(b, &quiet), b.TempDir()
	content, noise := make([]byte, 1<<20), rand.NewChaCha8([32]byte{3})
	for file := range 64 {
		_, _ = noise.Read(content) // never fails
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(file)), content, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	plan := inlinePlan(dir, "FROM scratch\nCOPY . /\n")
	solve := func() time.Duration {
		b.Helper()
		started := time.Now()
		in, err := inputs.Load(b.Context(), plan)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := buildkit.Solve(
			b.Context(), builds.c, plan, in, buildkit.Access{Credentials: noCredentials}, func(buildkit.Event) {},
		); err != nil {
			b.Fatal(err)
		}
		return time.Since(started)
	}
	var without, image time.Duration
	for round := 0; b.Loop(); round++ {
		if err := os.WriteFile(filepath.Join(dir, "0"), []byte(strconv.Itoa(round)), 0o644); err != nil {
			b.Fatal(err)
		}
		plan.WithoutImage = true
		without += solve()
		plan.WithoutImage = false
		image += solve()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(without.Seconds()/float64(b.N), "without-s")
	b.ReportMetric(image.Seconds()/float64(b.N), "image-s")
}

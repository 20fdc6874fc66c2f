package source

import (
	"context"
	"crypto/sha256"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source/sourcetest"
)

// Each benchmark runs in turns with the least work that the task needs on the same machine. On a noisy machine a ratio
// says what a time does not.

var bench struct {
	sync.Once
	dir   string // 200,000 files in 4,000 folders, 1 GB in all, old enough for the cache
	cache string // that has seen them
}

func TestMain(m *testing.M) {
	if dir := os.Getenv("BENCH_SCAN"); dir != "" { // a process of its own, for BenchmarkMemory
		cache := newCache(os.Getenv("BENCH_CACHE"))
		if _, err := Scan(context.Background(), dir, Scope{}, Options{Cache: cache}); err != nil {
			panic(err)
		}
		return
	}
	code := m.Run()
	_ = os.RemoveAll(bench.dir)
	_ = os.RemoveAll(bench.cache)
	os.Exit(code)
}

func prepare(b *testing.B) {
	b.Helper()
	bench.Do(func() {
		var err error
		//nolint:usetesting // outlives the first benchmark
		if bench.dir, err = os.MkdirTemp("", "bench-"); err != nil {
			b.Fatal(err)
		}
		//nolint:usetesting // outlives the first benchmark
		if bench.cache, err = os.MkdirTemp("", "bench-cache-"); err != nil {
			b.Fatal(err)
		}
		if err = sourcetest.Fill(bench.dir); err != nil {
			b.Fatal("no room for the tree", err)
		}
		scanBench(b, Scope{}, newCache(bench.cache))
	})
}

func scanBench(b *testing.B, scope Scope, cache *Cache) *Tree {
	b.Helper()
	tree, err := Scan(b.Context(), bench.dir, scope, Options{Cache: cache})
	if err != nil {
		b.Fatal(err)
	}
	tree.Digest()
	return tree
}

// compare runs two things in turns and reports how much longer the first takes.
func compare(b *testing.B, unit string, measured, yardstick func()) {
	b.Helper()
	prepare(b)
	yardstick()
	var ours, theirs time.Duration
	for b.Loop() {
		theirs += measure(yardstick)
		ours += measure(measured)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ours.Seconds()/float64(b.N), "s")
	b.ReportMetric(float64(ours)/float64(theirs), unit)
}

func measure(f func()) time.Duration {
	started := time.Now()
	f()
	return time.Since(started)
}

func BenchmarkWarm(b *testing.B) {
	compare(b, "x_lstat", func() { scanBench(b, Scope{}, newCache(bench.cache)) }, func() { walkOnly(bench.dir, nil) })
}

func BenchmarkCold(b *testing.B) {
	compare(b, "x_sha256", func() { scanBench(b, Scope{}, nil) }, func() { walkOnly(bench.dir, readAndHash) })
}

// BenchmarkPart scans one of a hundred folders. The ratio 0.01 would be in proportion.
func BenchmarkPart(b *testing.B) {
	part := Scope{Includes: []string{"d7"}}
	compare(b, "x_whole", func() { scanBench(b, part, nil) }, func() { scanBench(b, Scope{}, nil) })
}

// BenchmarkMemory reports the peak memory of a process that scans the tree, without and with a cache.
func BenchmarkMemory(b *testing.B) {
	prepare(b)
	for name, cache := range map[string]string{"cold_MB": b.TempDir(), "warm_MB": bench.cache} {
		cmd := exec.CommandContext(b.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "BENCH_SCAN="+bench.dir, "BENCH_CACHE="+cache)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		b.ReportMetric(peakMegabytes(cmd.ProcessState), name)
	}
	b.ReportMetric(0, "ns/op")
}

// walkOnly walks a folder in parallel and calls only lstat and, for files, visit.
func walkOnly(dir string, visit func(path string)) {
	slots := make(chan struct{}, runtime.GOMAXPROCS(0)-1)
	var walk func(dir string)
	walk = func(dir string) {
		children, _ := os.ReadDir(dir)
		var group sync.WaitGroup
		for _, child := range children {
			path := dir + "/" + child.Name()
			_, _ = os.Lstat(path)
			switch {
			case !child.IsDir() && visit != nil:
				visit(path)
			case child.IsDir():
				select {
				case slots <- struct{}{}:
					group.Go(func() { defer func() { <-slots }(); walk(path) })
				default:
					walk(path)
				}
			}
		}
		group.Wait()
	}
	walk(dir)
}

// readAndHash reads and hashes a file with a buffer as large as Scan's.
func readAndHash(path string) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	h := sha256.New()
	_, _ = io.CopyBuffer(h, struct{ io.Reader }{f}, *buffer)
	h.Sum(nil)
}

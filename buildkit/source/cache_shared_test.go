package source

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Many goroutines share one cache folder while files change.
func TestCacheIsShared(t *testing.T) {
	t.Parallel()
	dir, cacheDir := t.TempDir(), t.TempDir()
	for i := range 30 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte("0000"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ageUntilRemembered(t, dir, newCache(cacheDir), 30)
	for round := range 10 {
		path, content := filepath.Join(dir, fmt.Sprint(round)), fmt.Appendf(nil, "%04d", round+1)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		want := digestOf(t, dir)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				scanned, err := Scan(t.Context(), dir, Scope{}, Options{Cache: newCache(cacheDir)})
				if err != nil || scanned.Digest() != want {
					t.Errorf("round %d: another digest, %v", round, err)
				}
			})
		}
		all.Wait()
	}
	if left, _ := filepath.Glob(filepath.Join(cacheDir, ".new-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// Several processes share one cache folder, get one digest, and leave a whole cache.
func TestCacheIsSharedByProcesses(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv("SOURCE_TEST_SCAN"); dir != "" {
		fmt.Fprintf(os.Stdout, "digest %x\n", scanTwice(t, dir, newCache(os.Getenv("SOURCE_TEST_CACHE"))))
		return
	}
	dir, cache := writeTree(t, baseFiles()), newCache(t.TempDir())
	ageUntilRemembered(t, dir, cache, 2)
	want := fmt.Sprintf("digest %x\n", digestOf(t, dir))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			child := exec.Command(os.Args[0], "-test.run=^TestCacheIsSharedByProcesses$")
			child.Env = append(os.Environ(), "SOURCE_TEST_SCAN="+dir, "SOURCE_TEST_CACHE="+cache.dir)
			if output, err := child.CombinedOutput(); err != nil || !bytes.Contains(output, []byte(want)) {
				t.Errorf("%v: %s, want %s", err, output, want)
			}
		})
	}
	all.Wait()
	if n := rememberedFiles(t, dir, cache); n != 2 {
		t.Errorf("%d files are remembered, want 2", n)
	}
}

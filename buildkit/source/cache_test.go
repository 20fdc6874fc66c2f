package source

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// file returns the path of the file about a context.
func (c *Cache) file(context string) string { return filepath.Join(c.dir, cacheName(context)) }

// scanTwice scans with and without the cache, and fails the test unless both give one digest.
func scanTwice(t *testing.T, dir string, cache *Cache) [32]byte {
	t.Helper()
	remembered, err := Scan(t.Context(), dir, Scope{}, Options{Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	fresh := digestOf(t, dir)
	if remembered.Digest() != fresh {
		t.Fatal("the cache changed the digest")
	}
	return fresh
}

// backdate sets the modification times of all files to an hour ago, as unpacked archives have them. Their change times
// stay.
func backdate(t *testing.T, dir string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.Type()&os.ModeSymlink != 0 {
			return err
		}
		return os.Chtimes(path, old, old)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// rememberedFiles counts the records of a cache for a folder.
func rememberedFiles(t *testing.T, dir string, cache *Cache) (n int) {
	t.Helper()
	data, err := os.ReadFile(cache.file(dir))
	if err != nil {
		return 0
	}
	for _, block := range decodeCache(data, dir) {
		n += len(decodeRecords(block))
	}
	return n
}

// ageUntilRemembered scans until the files are old enough for the cache, which looks at their change times.
func ageUntilRemembered(t *testing.T, dir string, cache *Cache, files int) {
	t.Helper()
	tick, limit := time.NewTicker(100*time.Millisecond), time.After(20*clockSlack)
	defer tick.Stop()
	for rememberedFiles(t, dir, cache) < files {
		select {
		case <-tick.C:
			scanTwice(t, dir, cache)
		case <-limit:
			t.Fatalf("%d of %d files are remembered", rememberedFiles(t, dir, cache), files)
		}
	}
}

// edits change the content of a file and keep as much of its appearance as they can.
var edits = map[string]func(path string, content []byte, stamp time.Time) error{
	"rewritten, same size and time": func(path string, content []byte, stamp time.Time) error {
		return firstError(os.WriteFile(path, content, 0o644), os.Chtimes(path, stamp, stamp))
	},
	"rewritten, same size": func(path string, content []byte, _ time.Time) error {
		return os.WriteFile(path, content, 0o644)
	},
	"replaced by rename, same size and time": func(path string, content []byte, stamp time.Time) error {
		return firstError(
			os.WriteFile(path+"~", content, 0o644), os.Chtimes(path+"~", stamp, stamp),
			os.Rename(path+"~", path))
	},
	"removed and made again": func(path string, content []byte, stamp time.Time) error {
		return firstError(os.Remove(path), os.WriteFile(path, content, 0o644), os.Chtimes(path, stamp, stamp))
	},
	"written through another name": func(path string, content []byte, stamp time.Time) error {
		return firstError(
			os.Link(path, path+".link"), os.WriteFile(path+".link", content, 0o644),
			os.Chtimes(path, stamp, stamp), os.Remove(path+".link"))
	},
	"truncated and filled": func(path string, content []byte, stamp time.Time) error {
		return firstError(os.Truncate(path, 0), os.WriteFile(path, content, 0o644), os.Chtimes(path, stamp, stamp))
	},
	"swapped with a neighbor": func(path string, _ []byte, _ time.Time) error {
		other := filepath.Join(filepath.Dir(path), "neighbor")
		return firstError(os.Rename(path, path+"~"), os.Rename(other, path), os.Rename(path+"~", other))
	},
	"mode": func(path string, _ []byte, _ time.Time) error { return os.Chmod(path, 0o700) },
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// A scan sees each edit of a file that the cache knows, however similar the file looks.
func TestCacheSeesEveryEdit(t *testing.T) {
	t.Parallel()
	dir, cache, stamp := t.TempDir(), newCache(filepath.Join(t.TempDir(), "c")), time.Now().Add(-time.Hour)
	n := 0
	for name := range edits {
		folder := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		err := firstError(
			os.Mkdir(folder, 0o755),
			os.WriteFile(folder+"/file", []byte("AAAA"), 0o644),
			os.WriteFile(folder+"/neighbor", []byte("NNNN"), 0o644),
		)
		if err != nil {
			t.Fatal(err)
		}
		n += 2
	}
	backdate(t, dir)
	ageUntilRemembered(t, dir, cache, n)
	for name, edit := range edits {
		before := scanTwice(t, dir, cache)
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"), "file")
		if err := edit(path, []byte("BBBB"), stamp); err != nil {
			t.Fatal(err)
		}
		if scanTwice(t, dir, cache) == before {
			t.Errorf("%s: not seen", name)
		}
	}
}

// A scan sees that a file was rewritten right after the last scan: the cache takes no young files.
func TestCacheSeesAFileThatIsRewrittenAtOnce(t *testing.T) {
	t.Parallel()
	dir, cache := t.TempDir(), newCache(t.TempDir())
	path, stamp := filepath.Join(dir, "file"), time.Now().Add(-time.Hour)
	seen := map[[32]byte]bool{}
	for i := range 300 {
		content := fmt.Appendf(nil, "%06d", i)
		if err := firstError(os.WriteFile(path, content, 0o644), os.Chtimes(path, stamp, stamp)); err != nil {
			t.Fatal(err)
		}
		seen[scanTwice(t, dir, cache)] = true
	}
	if len(seen) != 300 {
		t.Errorf("%d different digests of 300 contents", len(seen))
	}
	if n := rememberedFiles(t, dir, cache); n != 0 {
		t.Errorf("a file of this very second is remembered")
	}
}

// The cache changes no digest under random edits. Before and after them the files are old enough for the cache.
func TestCacheChangesNoResult(t *testing.T) {
	t.Parallel()
	seed := uint64(20260819)
	random := rand.New(rand.NewPCG(seed, seed))
	dir, cache, stamp := t.TempDir(), newCache(t.TempDir()), time.Now().Add(-time.Hour)
	kinds := []string{}
	for name := range edits {
		kinds = append(kinds, name)
	}
	for i := range 40 {
		folder := filepath.Join(dir, fmt.Sprint("d", i%5))
		err := firstError(os.MkdirAll(folder, 0o755),
			os.WriteFile(filepath.Join(folder, fmt.Sprint("f", i)), []byte("0000"), 0o644),
			os.WriteFile(filepath.Join(folder, "neighbor"), []byte("NNNN"), 0o644))
		if err != nil {
			t.Fatal(err)
		}
	}
	ageUntilRemembered(t, dir, cache, 45)
	for step := range 400 {
		i := random.IntN(40)
		path := filepath.Join(dir, fmt.Sprint("d", i%5), fmt.Sprint("f", i))
		name := kinds[random.IntN(len(kinds))]
		if err := edits[name](path, fmt.Appendf(nil, "%04d", step), stamp); err != nil {
			t.Fatal(err)
		}
		if random.IntN(3) == 0 {
			t.Logf("seed %d, step %d: %s of %s", seed, step, name, path)
			scanTwice(t, dir, cache)
		}
	}
	ageUntilRemembered(t, dir, cache, 45)
	if one, other := scanTwice(t, dir, cache), scanTwice(t, dir, cache); one != other {
		t.Error("two scans of one tree differ")
	}
}

package source

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A scan ignores a cache file that is damaged, foreign or cannot be read, and replaces it if it can.
func TestCacheIgnoresWhatIsNoCache(t *testing.T) {
	t.Parallel()
	dir, first := writeTree(t, baseFiles()), newCache(t.TempDir())
	ageUntilRemembered(t, dir, first, 2)
	whole, err := os.ReadFile(first.file(dir))
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(whole)
	flipped[len(flipped)-40] ^= 4
	other := writeTree(t, map[string]string{"a.txt": "other", "dir/b": "tree"})
	ageUntilRemembered(t, other, first, 2)
	foreign, err := os.ReadFile(first.file(other))
	if err != nil {
		t.Fatal(err)
	}
	damages := map[string][]byte{
		"empty": {}, "a part": whole[:len(whole)/2], "a flipped bit": flipped, "another context's": foreign,
		"another program's": []byte("PK\x03\x04"), "only the header": []byte(cacheHeader),
		"twice": slices.Concat(whole, whole),
	}
	for name, data := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache := newCache(t.TempDir())
			if err := os.WriteFile(cache.file(dir), data, 0o600); err != nil {
				t.Fatal(err)
			}
			scanTwice(t, dir, cache)
			if n := rememberedFiles(t, dir, cache); n != 2 {
				t.Errorf("%d files are remembered afterwards, want 2", n)
			}
		})
	}
}

// A scan works without a cache that can be read or written.
func TestCacheIsNotNeeded(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	folder := newCache(t.TempDir())
	dir := writeTree(t, baseFiles())
	if err := os.MkdirAll(filepath.Join(folder.file(dir), "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, cache := range map[string]*Cache{
		"below a file": newCache(filepath.Join(file, "cache")), "a folder in its place": folder, "none": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scanTwice(t, dir, cache)
			scanTwice(t, dir, cache)
		})
	}
}

// The test changes the environment of the process, so it is not parallel.
func TestCacheIsSwitchedOff(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", home)
	t.Setenv(cacheVariable, "off")
	dir := writeTree(t, baseFiles())
	backdate(t, dir)
	scanTwice(t, dir, UserCache())
	if files, err := os.ReadDir(home); err != nil || len(files) > 0 {
		t.Errorf("left %v, %v", files, err)
	}
	t.Setenv(cacheVariable, "")
	cache := UserCache()
	if cache == nil || cache.dir != filepath.Join(home, "pulumi-buildkit", "stat") {
		t.Fatalf("got %+v", cache)
	}
	ageUntilRemembered(t, dir, cache, 2)
	if info, err := os.Stat(cache.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v, %v", info.Mode(), err)
	}
}

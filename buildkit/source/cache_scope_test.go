package source

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// rememberedNames returns the names of the files in the root of a folder that a cache knows.
func rememberedNames(dir string, cache *Cache) (names []string) {
	data, err := os.ReadFile(cache.file(dir))
	if err != nil {
		return nil
	}
	for _, r := range decodeRecords(decodeCache(data, dir)["."]) {
		names = append(names, string(r.name))
	}
	return names
}

// scanByTurns scans parts of a folder one after the other until the cache knows the names: it takes the files when
// they are old enough.
func scanByTurns(t *testing.T, dir string, cache *Cache, parts []string, names ...string) {
	t.Helper()
	tick, limit := time.NewTicker(100*time.Millisecond), time.After(20*clockSlack)
	defer tick.Stop()
	for !slices.Equal(rememberedNames(dir, cache), names) {
		for _, part := range parts {
			if _, err := Scan(t.Context(), dir, Scope{Includes: []string{part}}, Options{Cache: cache}); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("remembered: %q, want %q", rememberedNames(dir, cache), names)
		}
	}
}

// Scans of different files of one folder keep each other's records. A file that was removed or replaced by something
// else is forgotten.
func TestScopesShareTheCache(t *testing.T) {
	t.Parallel()
	dir, cache := writeTree(t, map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"}), newCache(t.TempDir())
	scanByTurns(t, dir, cache, []string{"a", "b", "c", "d"}, "a", "b", "c", "d")
	err := firstError(os.WriteFile(filepath.Join(dir, "a"), []byte("5"), 0o644),
		os.Remove(filepath.Join(dir, "b")),
		os.Remove(filepath.Join(dir, "c")),

		os.Mkdir(filepath.Join(dir, "c"), 0o755), os.WriteFile(filepath.Join(dir, "e"), nil, 0o644))
	if err != nil {
		t.Fatal(err)
	}
	scanByTurns(t, dir, cache, []string{"a", "e"}, "a", "d", "e")
}

// A cache file that is too long keeps the folders that the scan visited.
func TestALargeCacheKeepsTheVisitedFolders(t *testing.T) {
	t.Parallel()
	block := make([]byte, 1000)
	r := &contextCache{
		context: "/context", blocks: map[string][]byte{"old": block, "seen": block},
		updated: map[string][]byte{".": block}, visited: map[string]bool{".": true, "seen": true},
	}
	for limit, want := range map[int][]string{5000: {".", "old", "seen"}, 2500: {".", "seen"}} {
		if got := slices.Sorted(maps.Keys(decodeCache(r.encode(limit), "/context"))); !slices.Equal(got, want) {
			t.Errorf("%d bytes: %q, want %q", limit, got, want)
		}
	}
}

package private

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestKeepNewest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		n     int
		limit int64
		want  []string
	}{
		"within the bounds":               {n: 3, limit: 15, want: []string{"a", "b", "c"}},
		"more bytes":                      {n: 3, limit: 14, want: []string{"a", "c"}},
		"more files":                      {n: 1, limit: 15, want: []string{"c"}},
		"more files, any number of bytes": {n: 2, want: []string{"a", "c"}},
		"any number of bytes":             {n: 3, want: []string{"a", "b", "c"}},
		"nothing may stay":                {limit: 15},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := folderOfThree(t)
			folder.KeepNewest(test.n, test.limit)
			entries, err := folder.Entries()
			var left []string
			for _, entry := range entries {
				left = append(left, entry.Name())
			}
			if err != nil || !slices.Equal(left, test.want) {
				t.Errorf("got %v and %v, want %v", left, err, test.want)
			}
		})
	}
}

// A file that a killed process did not finish to write is removed. One that may still be written stays.
func TestKeepNewestRemovesAbandonedFiles(t *testing.T) {
	t.Parallel()
	folder := folderOfThree(t)
	for name, age := range map[string]time.Duration{tempPrefix + "old": 2 * tempLife, tempPrefix + "young": 0} {
		path, written := filepath.Join(folder.Path(), name), time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, written, written)); err != nil {
			t.Fatal(err)
		}
	}
	folder.KeepNewest(10, 0)
	for name, want := range map[string]bool{tempPrefix + "old": false, tempPrefix + "young": true, "a": true} {
		if _, err := os.Stat(filepath.Join(folder.Path(), name)); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", name, err == nil, want)
		}
	}
}

// folderOfThree returns a folder with three files of five bytes: c was written last, a before it, and b first.
func folderOfThree(t *testing.T) *Folder {
	t.Helper()
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{"a": time.Minute, "b": time.Hour, "c": 0} {
		path, written := filepath.Join(dir, name), time.Now().Add(-age)
		if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, written, written); err != nil {
			t.Fatal(err)
		}
	}
	folder, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = folder.Close() })
	return folder
}

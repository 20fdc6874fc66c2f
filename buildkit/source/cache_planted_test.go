//go:build linux

package source

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A scan takes no digest from a file that another user could write, and follows no link of another user's.
func TestCacheOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: only root makes files of other users: run the tests as root")
	}
	for name, plant := range map[string]func(cache, file string) error{
		"file":                 func(_, file string) error { return os.Chown(file, 65534, 65534) },
		"file for everybody":   func(_, file string) error { return os.Chmod(file, 0o666) },
		"folder":               func(cache, _ string) error { return os.Chown(cache, 65534, 65534) },
		"folder for everybody": func(cache, _ string) error { return os.Chmod(cache, 0o777) },
		"parent":               func(cache, _ string) error { return os.Chown(filepath.Dir(cache), 65534, 65534) },
		"link": func(_, file string) error {
			return errors.Join(os.Rename(file, file+"-moved"), os.Symlink(file+"-moved", file))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, parent := t.TempDir(), t.TempDir()
			cache := newCache(filepath.Join(parent, "stat"))
			old := time.Now().Add(-time.Hour)
			path := filepath.Join(dir, "f")
			err := errors.Join(os.WriteFile(path, []byte("f"), 0o600), os.Chtimes(path, old, old))
			if err != nil {
				t.Fatal(err)
			}
			<-time.After(clockSlack + 100*time.Millisecond)
			scanTwice(t, dir, cache)
			if cache.open(dir).blocks == nil {
				t.Fatal("the scan wrote no cache file")
			}
			if err := plant(cache.dir, cache.file(dir)); err != nil {
				t.Fatal(err)
			}
			if cache.open(dir).blocks != nil {
				t.Error("the cache uses a file that another user could write, or a link")
			}
		})
	}
}

//go:build unix

package provider

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// If another user could write into the folder of recent pushes, no file of the victim is overwritten, and what was
// planted there does not count.
func TestPlantedRecentPushes(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: only root makes files of other users: run the tests as root")
	}
	const ref, digest = "host/app:1", "sha256:1"
	for name, plant := range map[string]func(dir, path, victim string) error{
		"link":      func(_, path, victim string) error { return os.Symlink(victim, path) },
		"hard link": func(_, path, victim string) error { return os.Link(victim, path) },
		"file": func(_, path, _ string) error {
			return errors.Join(os.WriteFile(path, []byte(digest), 0o644), os.Chown(path, 65534, 65534))
		},
		"folder": func(dir, path, _ string) error {
			return errors.Join(os.WriteFile(path, []byte(digest), 0o644), os.Chown(dir, 65534, 65534))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := t.TempDir()
			dir, victim := filepath.Join(base, "claims"), filepath.Join(base, "victim")
			c := &recentPushes{engine: "one", dir: dir, made: map[string]string{}}
			err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(victim, []byte(digest), 0o600),
				plant(dir, filepath.Join(dir, c.name(ref)), victim))
			if err != nil {
				t.Fatal(err)
			}
			if c.holds(ref, digest) {
				t.Error("another user's claim counts")
			}
			c.add("sha256:2", []string{ref})
			if text, _ := os.ReadFile(victim); string(text) != digest {
				t.Errorf("the victim's file is %q now", text)
			}
		})
	}
}

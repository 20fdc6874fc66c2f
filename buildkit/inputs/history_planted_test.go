//go:build unix

package inputs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Another user who could write into the history's folder has put links where builds will be remembered, or owns the
// folder.
func TestHistoryFollowsNoPlantedLink(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: only root makes files of other users: run the tests as root")
	}
	source := t.TempDir()
	write(t, source, map[string]string{"Dockerfile": "FROM scratch\nCOPY . /\n"})
	in, err := Load(t.Context(), Plan{Files: Files{Context: source, Dockerfile: filepath.Join(source, "Dockerfile")}})
	if err != nil {
		t.Fatal(err)
	}
	for name, plant := range map[string]func(dir, path, victim string) error{
		"link":              func(_, path, victim string) error { return os.Symlink(victim, path) },
		"hard link":         func(_, path, victim string) error { return os.Link(victim, path) },
		"folder of another": func(dir, _, _ string) error { return os.Chown(dir, 65534, 65534) },
		"folder for everybody, with a link": func(dir, path, victim string) error {
			return errors.Join(os.Chmod(dir, 0o777), os.Symlink(victim, path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := t.TempDir()
			dir, victim := filepath.Join(base, "history"), filepath.Join(base, "victim")
			err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(victim, []byte("precious"), 0o600),
				plant(dir, filepath.Join(dir, in.Hash()), victim))
			if err != nil {
				t.Fatal(err)
			}
			newHistory(dir).Remember(in.Hash(), in)
			if text, _ := os.ReadFile(victim); string(text) != "precious" {
				t.Errorf("the victim's file has %d bytes of a listing now", len(text))
			}
		})
	}
}

package source

import (
	"bytes"
	"errors"
	"os"
	"testing"
)

func folderModes(t *testing.T, dir string) []byte {
	t.Helper()
	scanned, err := Scan(t.Context(), dir, Scope{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return scanned.FolderModes()
}

// Another encoding makes a daemon receive the whole tree again. A new mode must change it, a folder with the common
// mode must not.
func TestFolderModesDifferWhenAFolderHasAnotherMode(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(dir string) error
		differ bool
	}{
		"no change":                   {func(string) error { return nil }, false},
		"mode of a folder":            {func(d string) error { return os.Chmod(d+"/b", 0o700) }, true},
		"write permission of a group": {func(d string) error { return os.Chmod(d+"/b", 0o775) }, true},
		"setgid":                      {func(d string) error { return os.Chmod(d+"/b/c", 0o755|os.ModeSetgid) }, true},
		"the one odd mode undone":     {func(d string) error { return os.Chmod(d+"/odd", 0o755) }, true},
		"all modes": {func(d string) error {
			return errors.Join(os.Chmod(d+"/a", 0o750), os.Chmod(d+"/b", 0o750), os.Chmod(d+"/b/c", 0o750))
		}, true},
		"folder of the odd mode renamed": {func(d string) error { return os.Rename(d+"/odd", d+"/c") }, true},
		"a new folder":                   {func(d string) error { return os.Mkdir(d+"/new", 0o755) }, false},
		"a folder removed":               {func(d string) error { return os.Remove(d + "/b/c") }, false},
		"a folder renamed":               {func(d string) error { return os.Rename(d+"/a", d+"/e") }, false},
		"mode of a file":                 {func(d string) error { return os.Chmod(d+"/f", 0o755) }, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := writeTree(t, map[string]string{"a/": "", "b/c/": "", "odd/": "", "f": ""})
			if err := os.Chmod(dir+"/odd", 0o700); err != nil {
				t.Fatal(err)
			}
			before := folderModes(t, dir)
			if err := c.change(dir); err != nil {
				t.Fatal(err)
			}
			if differ := !bytes.Equal(before, folderModes(t, dir)); differ != c.differ {
				t.Errorf("differ: %v, want %v", differ, c.differ)
			}
		})
	}
}

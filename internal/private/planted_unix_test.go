//go:build unix

package private_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// plantedEntryCase is a case of TestPlantedEntries.
type plantedEntryCase struct {
	plant  func(path, victim string) error
	reason string
}

// plantedEntryCases are the cases of TestPlantedEntries, by name.
var plantedEntryCases = map[string]plantedEntryCase{
	"link": {
		plant:  func(path, victim string) error { return os.Symlink(victim, path) },
		reason: "it is a link",
	},
	"link to nothing": {
		plant:  func(path, victim string) error { return os.Symlink(victim+"-new", path) },
		reason: "it is a link",
	},
	"hard link": {
		plant:  func(path, victim string) error { return os.Link(victim, path) },
		reason: "2 hard links",
	},
	"FIFO": {
		plant:  func(path, _ string) error { return unix.Mkfifo(path, 0o600) },
		reason: "it is a FIFO",
	},
	"a stranger's": {plant: func(path, _ string) error {
		return errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, stranger, stranger))
	}, reason: "belongs to"},
	"for everybody": {
		plant: func(path, _ string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o666))
		},
		reason: "its mode 0666",
	},
	"a link within it": {plant: func(path, _ string) error {
		return errors.Join(os.WriteFile(path+"-other", nil, 0o600), os.Symlink(filepath.Base(path)+"-other", path))
	}, reason: "it is a link"},
}

// Nothing in the place of a file is followed or waited for, and a victim's file does not change.
func TestPlantedEntries(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	const precious = "precious"
	for name, test := range plantedEntryCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := safeFolder(t)
			victim, path := dir+"/victim", dir+"/ours/file"
			must(t, os.Mkdir(dir+"/ours", 0o700), os.WriteFile(victim, []byte(precious), 0o600))
			f, err := private.Open(dir + "/ours")
			must(t, err)
			defer f.Close()
			for what, use := range map[string]func() error{
				"read":   func() error { _, err := f.Read("file", 100); return err },
				"lock":   func() error { _, err := f.OpenLock("file"); return err },
				"folder": func() error { _, err := f.Sub("file"); return err },
			} {
				must(t, os.RemoveAll(path), test.plant(path, victim))
				reason := test.reason
				if what == "folder" {
					reason = "not a folder"
				}
				t.Run(what, func(t *testing.T) { wantUnsafe(t, use(), path, reason) })
			}
			for what, use := range map[string]func() error{
				"write":  func() error { return f.Write("file", []byte("ours")) },
				"create": func() error { return create(f, "ours") },
			} {
				must(t, os.RemoveAll(path), test.plant(path, victim))
				must(t, use())
				info, err := os.Lstat(path)
				must(t, err)
				text, _ := os.ReadFile(path)
				if string(text) != "ours" || info.Mode() != 0o600 || private.Owner(info) != 0 {
					t.Errorf("%s: %q, mode %s, owner %d", what, text, info.Mode(), private.Owner(info))
				}
			}
			must(t, os.RemoveAll(path), test.plant(path, victim), f.RemoveAll("file"))
			if text, _ := os.ReadFile(victim); string(text) != precious {
				t.Errorf("the victim's file is %q", text)
			}
			if _, err := os.Lstat(victim + "-new"); err == nil {
				t.Error("a file was made where the link leads")
			}
		})
	}
}

func create(f *private.Folder, text string) error {
	made, err := f.Create("file")
	if err != nil {
		return err
	}
	_, err = made.WriteString(text)
	return errors.Join(err, made.Close())
}

func TestSubRefusesWhatOthersLeft(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	dir := safeFolder(t)
	must(t, os.Mkdir(dir+"/theirs", 0o700), os.Chown(dir+"/theirs", stranger, stranger), os.Mkdir(dir+"/open", 0o700),
		os.Chmod(dir+"/open", 0o777), os.Symlink("/etc", dir+"/link"), os.Mkdir(dir+"/ours", 0o700))
	f, err := private.Open(dir)
	must(t, err)
	defer f.Close()
	for name, reason := range map[string]string{
		"theirs": "belongs to user 65534", "open": "its mode 0777", "link": "it is a link",
	} {
		_, err := f.Sub(name)
		wantUnsafe(t, err, filepath.Join(dir, name), reason)
	}
	sub, err := f.Sub("ours")
	must(t, err, sub.Write("file", nil), sub.Close())
}

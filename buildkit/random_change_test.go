package buildkit_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// change makes one random change to the project and describes it. It returns "" if the change cannot be made here.
func (d dice) change(p project) string {
	folders := []string{p.plan.Files.Context, p.plan.Files.Context}
	for _, name := range slices.Sorted(maps.Keys(p.plan.Files.Named)) {
		folders = append(folders, p.plan.Files.Named[name])
	}
	dir := pick(d, folders...)
	if d.oneIn(10) {
		return d.changeIgnore(p, dir)
	}
	known := entries(dir)
	if len(known) == 0 {
		return ""
	}
	path := pick(d, known...)
	if path == "Dockerfile" && !d.oneIn(4) {
		return ""
	}
	full := filepath.Join(dir, path)
	info, err := os.Lstat(full)
	must(err)
	done := ""
	switch {
	case d.oneIn(3):
		done = d.changeAny(dir, full, info)
	case info.IsDir():
		done = d.changeFolder(full, info)
	case info.Mode()&os.ModeSymlink != 0:
		done = d.changeLink(dir, path, full)
	default:
		done = d.changeFile(full, info)
	}
	return fmt.Sprintf("%s: %q %s", filepath.Base(dir), path, done)
}

func (d dice) changeFile(full string, info fs.FileInfo) string {
	content, err := os.ReadFile(full)
	must(err)
	if filepath.Base(full) == "Dockerfile" {
		content = append(content, "# more\n"...)
		must(os.WriteFile(full, content, 0o644))
		return "has a comment more"
	}
	times := func() { must(os.Chtimes(full, info.ModTime(), info.ModTime())) }
	switch d.IntN(8) {
	case 0:
		must(os.WriteFile(full, append(content, '+'), 0o644))
		return "appended to"
	case 1, 2:
		for i := range content {
			content[i] ^= 1
		}
		must(os.WriteFile(full, content, 0o644))
		times()
		return "other content, same size and time"
	case 3:
		must(os.Truncate(full, int64(len(content)/2)))
		return "truncated"
	case 4:
		must(os.WriteFile(full+".new", content, info.Mode().Perm()))
		must(os.Chmod(full+".new", info.Mode()))
		must(os.Rename(full+".new", full))
		return "replaced by an equal file"
	case 5:
		must(os.Remove(full))
		must(os.Symlink(string(bytes.TrimSpace(append([]byte("l"), content[:min(3, len(content))]...))), full))
		return "became a link"
	case 6:
		must(d.attribute(full))
		return "got an extended attribute"
	default:
		must(os.WriteFile(full, []byte(d.content()), 0o644))
		times()
		return "rewritten"
	}
}

func (d dice) changeFolder(full string, info fs.FileInfo) string {
	child := filepath.Join(full, d.name())
	if _, err := os.Lstat(child); err == nil {
		return ""
	}
	switch d.IntN(4) {
	case 0:
		must(os.Mkdir(child, 0o755))
		return fmt.Sprintf("has a new empty folder %q", filepath.Base(child))
	case 1:
		must(os.Symlink("nowhere", child))
		return fmt.Sprintf("has a new dangling link %q", filepath.Base(child))
	case 2:
		must(os.RemoveAll(full))
		return "removed with all in it"
	default:
		must(os.WriteFile(child, []byte(d.content()), 0o644))
		must(os.Chtimes(full, info.ModTime(), info.ModTime()))
		return fmt.Sprintf("has a new file %q", filepath.Base(child))
	}
}

func (d dice) changeLink(dir, path, full string) string {
	if d.oneIn(3) {
		content, err := os.ReadFile(full)
		if err != nil {
			content = []byte("was dangling")
		}
		must(os.Remove(full))
		must(os.WriteFile(full, content[:min(len(content), 1000)], 0o644))
		return "became the file that it led to"
	}
	text := d.linkText(entries(dir), path)
	must(os.Remove(full))
	must(os.Symlink(text, full))
	return fmt.Sprintf("leads to %q", text)
}

// changeAny makes a change that works for files, folders and links.
func (d dice) changeAny(dir, full string, info fs.FileInfo) string {
	if filepath.Base(full) == "Dockerfile" {
		return ""
	}
	switch d.IntN(8) {
	case 0:
		must(os.Lchown(full, d.IntN(5), 7))
		if info.Mode()&os.ModeSymlink == 0 {
			must(os.Chmod(full, info.Mode())) // chown clears setuid
		}
		return "changed its owner"
	case 1, 2:
		must(touchLink(full, time.Unix(1_600_000_000, d.Int64N(1e9))))
		return "touched"
	case 3:
		must(os.RemoveAll(full))
		return "removed"
	case 4:
		to := filepath.Join(dir, d.name())
		if err := os.Rename(full, to); err != nil || to == full {
			return ""
		}
		return fmt.Sprintf("renamed to %q", filepath.Base(to))
	default:
		if info.Mode()&os.ModeSymlink != 0 {
			return ""
		}
		bit := pick(
			d, fs.FileMode(1)<<d.IntN(9), fs.FileMode(1)<<d.IntN(9), fs.ModeSetuid, fs.ModeSetgid, fs.ModeSticky,
		)
		must(os.Chmod(full, info.Mode()^bit))
		return fmt.Sprintf("mode %v became %v", info.Mode(), info.Mode()^bit)
	}
}

// changeIgnore edits, makes or removes an ignore file.
func (d dice) changeIgnore(p project, dir string) string {
	file := filepath.Join(dir, ".dockerignore")
	if d.oneIn(3) {
		file = p.plan.Files.Dockerfile + ".dockerignore"
	}
	if _, err := os.Lstat(file); err == nil && d.oneIn(3) {
		must(os.Remove(file))
		return file + " removed"
	}
	old, err := os.ReadFile(file)
	text := d.ignoreFile(dir)
	if err == nil && d.oneIn(3) {
		text = "# a comment\n" + string(old)
	}
	must(os.WriteFile(file, []byte(text), 0o644))
	return fmt.Sprintf("%s was %q, is %q", file, old, text)
}

package buildkit_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// dice makes random choices. The same seed makes the same choices.
type dice struct{ *rand.Rand }

func newDice(seed uint64) dice { return dice{rand.New(rand.NewPCG(seed, 0x6275696c646b6974))} }

// oneIn returns true once in n times.
func (d dice) oneIn(n int) bool { return d.IntN(n) == 0 }

// pick returns one of the choices. A choice that is given twice is twice as likely.
func pick[T any](d dice, choices ...T) T { return choices[d.IntN(len(choices))] }

// Names with meaning to shells, patterns, ignore files, sorting and Unicode. The plain ones come first and often.
var (
	plainNames = []string{"a", "b", "src", "x.go", "y.go", "z.md", "amd64", "arm64", "lib", "src-x", "src.d"}
	oddNames   = []string{
		"my dir", "new\nline", "caf\u00e9", "cafe\u0301", "[x]", "{y}", "sta*r", "wh?t", ".hidden", "!bang", "#hash",
		"back\\slash", "-dash", "A", "SRC", "$D", "p%20q", "..dots", "tab\there", "日本", "~", "a^b",
		"quote\"d", "caf",
	}
)

func (d dice) name() string {
	if d.oneIn(4) {
		return pick(d, oddNames...)
	}
	return pick(d, plainNames...)
}

func (d dice) content() string {
	return pick(d, "", "one", "two", "six", "seven", "a longer text\n", strings.Repeat("0123456789", 3000))
}

func (d dice) fileMode() fs.FileMode {
	return pick(
		d, fs.FileMode(0o644), 0o644, 0o644, 0o755, 0o600, 0o664, 0o666, 0o444, 0o640, 0o755|fs.ModeSetuid,
		0o755|fs.ModeSetgid,
	)
}

func (d dice) folderMode() fs.FileMode {
	return pick(d, fs.FileMode(0o755), 0o755, 0o755, 0o775, 0o700, 0o777|fs.ModeSticky, 0o755|fs.ModeSetgid)
}

// linkText returns the text of a link. It may lead to a sibling, a folder, the link itself, out of the context, or
// nowhere.
func (d dice) linkText(existing []string, self string) string {
	if len(existing) > 0 && d.IntN(3) > 0 {
		target := pick(d, existing...)
		if d.oneIn(3) {
			return "/" + target
		}
		relative, err := filepath.Rel(filepath.Dir(self), target)
		must(err)
		return relative
	}
	return pick(
		d, "nowhere", filepath.Base(self), ".", "..", "../..", "/", "/etc/passwd", "src/../a", "./b", "src/", "loop",
		"../../../../src", "caf*",
	)
}

// addEntries makes n entries below dir.
func (d dice) addEntries(dir string, n int) {
	dirs, all := []string{""}, []string{}
	for range n {
		path := filepath.Join(pick(d, dirs...), d.name())
		if strings.Count(path, "/") > 3 {
			continue
		}
		if _, err := os.Lstat(filepath.Join(dir, path)); err == nil {
			continue
		}
		if d.add(dir, path, all) {
			dirs = append(dirs, path, path)
		}
		all = append(all, path)
	}
}

// add makes one entry, and reports whether it is a folder.
func (d dice) add(dir, path string, existing []string) bool {
	full := filepath.Join(dir, path)
	switch roll := d.IntN(20); {
	case roll < 6:
		must(os.Mkdir(full, 0o755))
		must(os.Chmod(full, d.folderMode()))
		return true
	case roll < 9:
		must(os.Symlink(d.linkText(existing, path), full))
	case roll == 9:
		if len(existing) == 0 || os.Link(filepath.Join(dir, pick(d, existing...)), full) != nil {
			must(os.WriteFile(full, nil, 0o644)) // a folder has no hard links
		}
	default:
		must(os.WriteFile(full, []byte(d.content()), 0o644))
		must(os.Chmod(full, d.fileMode()))
		if d.oneIn(20) {
			must(d.attribute(full))
		}
	}
	d.setTime(full)
	return false
}

// setTime sets the time of a file to some days ago. Sometimes other files have the same time.
func (d dice) setTime(path string) {
	if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink != 0 {
		return
	}
	stamp := time.Unix(1_700_000_000, 0)
	if d.oneIn(2) {
		stamp = stamp.Add(time.Duration(d.IntN(1_000_000)) * time.Millisecond)
	}
	must(os.Chtimes(path, stamp, stamp))
}

// archive returns a tar file, which ADD unpacks.
func (d dice) archive() []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	content := d.content()
	must(w.WriteHeader(
		&tar.Header{Name: "unpacked/file", Mode: 0o640, Size: int64(len(content)), ModTime: time.Unix(1, 0)},
	))
	_, err := w.Write([]byte(content))
	must(err)
	must(w.Close())
	return b.Bytes()
}

// entries returns the paths below dir, in order.
func entries(dir string) (paths []string) {
	must(filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if path != dir {
			relative, relErr := filepath.Rel(dir, path)
			must(relErr)
			paths = append(paths, relative)
		}
		return err
	}))
	return paths
}

// render returns a tree as text from which a person can make it again.
func render(dir string) string {
	var text strings.Builder
	for _, path := range entries(dir) {
		info, err := os.Lstat(filepath.Join(dir, path))
		must(err)
		fmt.Fprintf(&text, "  %v %q", info.Mode(), path)
		if link, err := os.Readlink(filepath.Join(dir, path)); err == nil {
			fmt.Fprintf(&text, " -> %q", link)
		}
		if content, err := os.ReadFile(filepath.Join(dir, path)); err == nil && info.Mode().IsRegular() {
			fmt.Fprintf(&text, " %d bytes %.60q", len(content), content)
		}
		text.WriteByte('\n')
	}
	return text.String()
}

// must panics for an error of the machine itself.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

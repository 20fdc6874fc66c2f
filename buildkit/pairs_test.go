package buildkit_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// Each file of testdata/pairs has two builds. Its first line says whether their hashes are equal or differ. Both builds
// have its files, but only the first has those below 1/, and only the second those below 2/. context/ is the main
// context with the Dockerfile. Any other folder is a named context. The lines after the first do what an archive cannot
// hold. They begin with "1", "2" or "both", and go on with one of
//
//	chmod MODE PATH    chown UID PATH    touch PATH     link PATH TEXT     hardlink PATH TO
//	mkdir PATH         remove PATH       write PATH TEXT                   watch all
//
// A word in double quotes is a Go string.
func TestPairs(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: files change their owners and lose their permissions: run the tests as root")
	}
	files, err := filepath.Glob("testdata/pairs/*.txtar")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d pairs, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			verdict, script, _ := strings.Cut(string(archive.Comment), "\n")
			one, other := hashOfSide(t, archive, script, "1"), hashOfSide(t, archive, script, "2")
			if equal := one == other; equal != (verdict == "equal") || verdict != "equal" && verdict != "differ" {
				t.Errorf("the hashes are equal: %v, the file says %q", equal, verdict)
			}
		})
	}
}

// hashOfSide returns the hash of the first or the second build, "1" or "2".
func hashOfSide(t *testing.T, archive *txtar.Archive, script, side string) string {
	t.Helper()
	root := t.TempDir()
	for _, f := range archive.Files {
		name, of := f.Name, side
		if first, rest, _ := strings.Cut(f.Name, "/"); first == "1" || first == "2" {
			name, of = rest, first
		}
		if of == side {
			path := filepath.Join(root, name)
			must(os.MkdirAll(filepath.Dir(path), 0o755))
			must(os.WriteFile(path, f.Data, 0o644))
		}
	}
	plan := inputs.Plan{Files: inputs.Files{
		Context: filepath.Join(root, "context"), Dockerfile: filepath.Join(root, "context", "Dockerfile"),
		Named: map[string]string{},
	}}
	for line := range strings.Lines(script) {
		words := splitWords(t, line)
		if len(words) < 3 || words[0] != side && words[0] != "both" {
			continue
		}
		if words[1] == "watch" {
			plan.WatchAll = true
			continue
		}
		if err := applyVerb(root, words[1], words[2:]); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	folders, err := os.ReadDir(root)
	must(err)
	for _, f := range folders {
		if f.IsDir() && f.Name() != "context" {
			plan.Files.Named[f.Name()] = filepath.Join(root, f.Name())
		}
	}
	inputs, err := inputs.Load(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	return inputs.Hash()
}

// splitWords splits a line at spaces. A word in double quotes may have any character. A line that begins with # has no
// words.
func splitWords(t *testing.T, line string) (words []string) {
	t.Helper()
	line = strings.TrimSpace(line)
	for line != "" && line[0] != '#' {
		word, rest, _ := strings.Cut(line, " ")
		if line[0] == '"' {
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				t.Fatal(err)
			}
			rest = line[len(quoted):]
			word, err = strconv.Unquote(quoted)
			must(err)
		}
		words, line = append(words, word), strings.TrimSpace(rest)
	}
	return words
}

func applyVerb(root, verb string, args []string) error {
	path := filepath.Join(root, args[len(args)-1])
	switch verb {
	case "chmod":
		bits, err := strconv.ParseUint(args[0], 8, 32)
		if err != nil {
			return err
		}
		mode := os.FileMode(bits & 0o777)
		for bit, flag := range map[uint64]os.FileMode{
			0o4000: os.ModeSetuid, 0o2000: os.ModeSetgid, 0o1000: os.ModeSticky,
		} {
			if bits&bit != 0 {
				mode |= flag
			}
		}
		return os.Chmod(path, mode)
	case "chown":
		uid, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, uid)
	case "touch":
		return os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 5))
	case "mkdir":
		return os.MkdirAll(path, 0o755)
	case "remove":
		return os.Remove(path)
	}
	path = filepath.Join(root, args[0])
	switch verb {
	case "link":
		return os.Symlink(args[1], path)
	case "hardlink":
		return os.Link(filepath.Join(root, args[1]), path)
	case "write":
		return os.WriteFile(path, []byte(args[1]), 0o644)
	}
	return fmt.Errorf("what is %s?", verb)
}

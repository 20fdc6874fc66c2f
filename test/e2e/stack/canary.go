//go:build linux

package stack

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
)

// A canary is a value that must stay where a test put it. Each stack has three that nothing needs: an environment
// variable, the passphrase of the state, and a file beside the program. Tests make more with Canary: passwords, secrets
// and tokens.
//
// The tests search for canaries in the output of commands, in the arguments of every process, and in the files that
// stacks, daemons and registries leave on disk.

// canaryMark begins each canary, so that one search finds all.
const canaryMark = "pbCanary7"

// canaryVariable is in the environment of the CLI and of the plugin.
const canaryVariable = "UNRELATED_TOKEN"

var (
	environmentCanary = Canary("environment")
	passphraseCanary  = Canary("passphrase")
	besideCanary      = Canary("file-beside-the-program")
)

// Canary returns a new value that must show up nowhere else. kind is part of it, so that a person can tell which value
// escaped.
func Canary(kind string) string { return canaryMark + "-" + kind + "-" + rand.Text() }

// leaks holds the places where a canary was found.
var leaks struct {
	sync.Mutex
	found []string
}

// noteLeak records that a canary was found in content, with the text around it.
func noteLeak(where string, content []byte, at int) {
	leaks.Lock()
	defer leaks.Unlock()
	text := fmt.Sprintf("%s: %q", where, content[max(0, at-40):min(len(content), at+60)])
	if len(leaks.found) < 20 && !slices.Contains(leaks.found, text) {
		leaks.found = append(leaks.found, text)
	}
}

// leakError returns an error that names each place where a canary was found, or nil.
func leakError() error {
	leaks.Lock()
	defer leaks.Unlock()
	if len(leaks.found) == 0 {
		return nil
	}
	return errors.New("canaries have escaped:\n" + strings.Join(leaks.found, "\n"))
}

// canaryForms are the mark itself and its base64 forms, one for each position within a group of three bytes.
var canaryForms = func() [][]byte {
	forms := [][]byte{[]byte(canaryMark)}
	for skip := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte("..."[:skip] + canaryMark))
		// The first characters depend on what stands before the mark, the last ones on what follows.
		from, to := (skip*8+5)/6, (skip+len(canaryMark))*8/6
		forms = append(forms, []byte(encoded[from:to]))
	}
	return forms
}()

// LookFor records each canary in content.
func LookFor(where string, content []byte) {
	for _, form := range canaryForms {
		if at := bytes.Index(content, form); at >= 0 {
			noteLeak(where, content, at)
		}
	}
}

// lookInStream records each canary in what r yields.
func lookInStream(where string, r io.Reader) {
	const overlap = 4 * len(canaryMark)
	buffer := make([]byte, 1<<20)
	kept := 0
	for {
		n, err := io.ReadFull(r, buffer[kept:])
		LookFor(where, buffer[:kept+n])
		if err != nil {
			return
		}
		kept = copy(buffer, buffer[len(buffer)-overlap:])
	}
}

// LookInFolder records each canary in the files below root, also in gzip files. It skips the paths in except, and files
// that disappear meanwhile.
func LookInFolder(root string, except ...string) {
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // the file is gone
		case slices.Contains(except, path) && entry.IsDir():
			return fs.SkipDir
		case slices.Contains(except, path) || !entry.Type().IsRegular():
			return nil
		}
		lookInFile(path)
		return nil
	})
}

func lookInFile(path string) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	lookInStream(path, f)
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return
	}
	if compressed, err := gzip.NewReader(f); err == nil {
		lookInStream(path+" (gzip)", compressed)
	}
}

// watchArguments records each canary in the arguments of any process, except the CLI's own, until ctx ends.
//
// It reads all processes 20 times a second while they are young, and once a second later: a process replaces its
// arguments soon after its start, or never.
func watchArguments(ctx context.Context, cli string) {
	const often, seldom = 10, 20
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for seen := map[int]int{}; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		present := map[int]int{}
		for _, pid := range daemontest.ProcessIDs() {
			times := seen[pid]
			present[pid] = times + 1
			if times < often || times%seldom == 0 {
				lookInArguments(pid, cli)
			}
		}
		seen = present
	}
}

// lookInArguments records each canary in the arguments of a process, unless it is the CLI.
func lookInArguments(pid int, cli string) {
	if arguments := daemontest.ProcessArguments(pid); !strings.HasPrefix(arguments, cli+"\x00") {
		LookFor("arguments of a process", []byte(arguments))
	}
}

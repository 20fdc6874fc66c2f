package inputs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// requireWatch skips a test where nothing can be watched.
func requireWatch(t *testing.T) {
	t.Helper()
	watch := source.NewWatch()
	t.Cleanup(watch.Close)
	if _, err := source.Scan(t.Context(), t.TempDir(), source.Scope{}, source.Options{Watch: watch}); err != nil ||
		!watch.IsUnchanged() {
		t.Skipf("temporary files cannot be watched here (%v): set TMPDIR", err)
	}
}

// contextOf is a context that has its Dockerfile elsewhere: every Load reads that, and young files that are read are
// doubted.
func contextOf(t *testing.T, files map[string]string) Files {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, files)
	return Files{Context: dir, Inline: []byte("ARG WHICH\nFROM scratch AS one\nCOPY . /\nFROM one AS two\n")}
}

func loadTree(t *testing.T, scans *SharedScans, plan Plan) *source.Tree {
	t.Helper()
	in, err := scans.Load(t.Context(), plan, nil)
	if err != nil {
		t.Fatal(err)
	}
	return in.trees[contextSource]
}

// Images that want the same part of the same context share a finished scan.
func TestAScanIsShared(t *testing.T) {
	t.Parallel()
	requireWatch(t)
	var scans SharedScans
	files := contextOf(t, map[string]string{"main.go": "package main", "lib/lib.go": "package lib"})
	first := loadTree(t, &scans, Plan{Files: files})
	plans := map[string]Plan{
		"a target": {
			Files:  files,
			Target: "one",
		}, "an argument": {Files: files, BuildArgs: map[string]string{"WHICH": "b"}},
		"a platform": {Files: files, Platforms: []string{"linux/arm64"}},
		"a name": {
			Files: Files{
				Context: t.TempDir(),
				Inline:  []byte("FROM scratch\nCOPY --from=lib . /"),
				Named:   map[string]string{"lib": files.Context},
			},
		},
	}
	for name, plan := range plans {
		in, err := scans.Load(t.Context(), plan, nil)
		if err != nil {
			t.Fatal(err)
		}
		if in.trees[contextSource] != first && in.trees[namedContextSource("lib")] != first {
			t.Errorf("another %s: scanned again", name)
		}
	}
	part := Files{Context: files.Context, Inline: []byte("FROM scratch\nCOPY lib /\n")}
	if loadTree(t, &scans, Plan{Files: part}).Len() == first.Len() {
		t.Error("another part of the context is taken for the same")
	}
	if loadTree(t, nil, Plan{Files: files}) == first {
		t.Error("nobody shares")
	}
}

// The Dockerfile stands in the context, as most do, and another image wants another part of it: reading is no change.
func TestReadingKeepsAScanShared(t *testing.T) {
	t.Parallel()
	requireWatch(t)
	var scans SharedScans
	files := project(t)
	part := Files{Context: files.Context, Inline: []byte("FROM scratch\nCOPY main.go /\n")}
	tick, limit := time.NewTicker(100*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for last := loadTree(t, &scans, Plan{Files: files, WatchAll: true}); ; {
		loadTree(t, nil, Plan{Files: part})
		now := loadTree(t, &scans, Plan{Files: files, WatchAll: true})
		if now == last {
			return
		}
		last = now
		select {
		case <-tick.C: // while the files are too young to tell
		case <-limit:
			t.Fatal("scanned again and again")
		}
	}
}

// An image may depend on what another resource of the same run writes into the context.
func TestASharedScanSeesEarlierWrites(t *testing.T) {
	t.Parallel()
	var scans SharedScans
	files := project(t)
	files.Dockerfile, files.Inline = "", []byte("FROM scratch\nCOPY . /\n")
	plan := Plan{Files: files, WatchAll: true}
	for i := range 20 {
		if _, err := scans.Load(t.Context(), plan, nil); err != nil {
			t.Fatal(err)
		}
		dir := []string{files.Context, files.Named["lib"]}[i%2]
		write(t, dir, map[string]string{fmt.Sprintf("made/%d/generated.go", i%7): fmt.Sprint(i)})
		in, err := scans.Load(t.Context(), plan, nil)
		if err != nil {
			t.Fatal(err)
		}
		if in.Hash() != hashOf(t, files) {
			t.Fatal("the second image is built without what was generated")
		}
	}
}

// Images that are loaded side by side while files are written: each is made of what was written by then, or later.
func TestScansSideBySide(t *testing.T) {
	t.Parallel()
	var scans SharedScans
	var written atomic.Int64 // bytes of the one file in the context, when it is in its place
	files := contextOf(t, map[string]string{"file": ""})
	staged := filepath.Join(t.TempDir(), "staged")
	ctx, stop := context.WithCancelCause(t.Context())
	var loading sync.WaitGroup
	for range 4 {
		loading.Go(func() {
			for ctx.Err() == nil {
				least := written.Load()
				in, err := scans.Load(t.Context(), Plan{Files: files}, nil)
				if err != nil {
					continue // it changed while it was read
				}
				if size := in.trees[contextSource].Size(); size < least {
					t.Errorf("%d bytes are recorded after %d were written", size, least)
				}
			}
		})
	}
	for n := range int64(200) {
		err := errors.Join(
			os.WriteFile(staged, make([]byte, n), 0o644), os.Rename(staged, filepath.Join(files.Context, "file")))
		if err != nil {
			t.Error(err)
		}
		written.Store(n)
	}
	stop(nil)
	loading.Wait()
	if size := loadTree(t, &scans, Plan{Files: files}).Size(); size != 199 {
		t.Errorf("%d bytes are recorded in the end", size)
	}
}

// An image waits while another one scans the same part, until its own context ends.
func TestWaitingForAScanEndsWithTheContext(t *testing.T) {
	t.Parallel()
	var scans SharedScans
	files := contextOf(t, nil)
	loadTree(t, &scans, Plan{Files: files})
	scans.kept[0].lock <- struct{}{}
	why := errors.New("the user went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := scans.scan(ctx, files, files.Context, source.Scope{}, nil); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	<-scans.kept[0].lock
	loadTree(t, &scans, Plan{Files: files})
}

// An error is not kept.
func TestAFailedScanIsMadeAgain(t *testing.T) {
	t.Parallel()
	var scans SharedScans
	files := contextOf(t, map[string]string{"file": ""})
	broken := filepath.Join(files.Context, "name\xff")
	if err := os.WriteFile(broken, nil, 0o644); err != nil {
		t.Skip(err)
	}
	if _, err := scans.Load(t.Context(), Plan{Files: files}, nil); err == nil {
		t.Fatal("a name that is not UTF-8 passed")
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	if n := loadTree(t, &scans, Plan{Files: files}).Len(); n != 1 {
		t.Errorf("%d entries", n)
	}
}

// Only the scans that were asked for last are kept.
func TestOldScansAreDropped(t *testing.T) {
	t.Parallel()
	requireWatch(t)
	var scans SharedScans
	var trees [maxSharedScans + 1]*source.Tree
	var plans [maxSharedScans + 1]Plan
	for i := range trees {
		plans[i] = Plan{Files: contextOf(t, nil)}
		trees[i] = loadTree(t, &scans, plans[i])
		if i == 1 && loadTree(t, &scans, plans[0]) != trees[0] {
			t.Error("a scan is dropped without need")
		}
	}
	if len(scans.kept) != maxSharedScans {
		t.Errorf("%d scans are kept", len(scans.kept))
	}
	if loadTree(t, &scans, plans[0]) != trees[0] || loadTree(t, &scans, plans[1]) == trees[1] {
		t.Error("it is not the one that was asked for longest ago that went")
	}
}

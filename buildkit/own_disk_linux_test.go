package buildkit_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// The disk of the plugin's machine is full, not that of the daemon. The error is not that of the daemon, although the
// daemon repeats it, and it names the file.
func TestFullDiskOfAnExport(t *testing.T) {
	t.Parallel()
	export := func(e buildkit.Export) buildkit.Access { return buildkit.Access{Exports: []buildkit.Export{e}} }
	for name, access := range map[string]func(dir string) buildkit.Access{
		"local": func(dir string) buildkit.Access { return export(buildkit.Export{Type: "local", Dir: dir}) },
		"tar": func(dir string) buildkit.Access {
			return export(buildkit.Export{Type: "tar", Open: openFile(filepath.Join(dir, "a.tar"))})
		},
		"layout": func(dir string) buildkit.Access {
			return export(buildkit.Export{Type: "oci", Open: openFolder(filepath.Join(dir, "layout"))})
		},
		"cache": func(dir string) buildkit.Access {
			return buildkit.Access{CacheTo: []buildkit.Cache{
				{Type: "local", Options: map[string]string{"dest": dir, "mode": "max"}},
			}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStepBuilder(t)
			dir := filepath.Join(t.TempDir(), "small")
			if err := errors.Join(os.Mkdir(dir, 0o700), unix.Mount("tmpfs", dir, "tmpfs", 0, "size=128k")); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
			plan := s.plan(t, "RUN head -c 1000000 /dev/urandom >/large")
			_, exports, err := s.solveAndExport(t.Context(), plan, access(dir))
			err = errors.Join(err, failureOf(exports))
			_, isExport := errors.AsType[*buildkit.ExportError](err)
			_, isCache := errors.AsType[*buildkit.CacheError](err)
			if isCache != (name == "cache") || isExport == isCache ||
				!errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), dir+"/") ||
				strings.Contains(err.Error(), "rpc error") {
				t.Errorf("%T: %v", err, err)
			}
			if left, _ := filepath.Glob(dir + "/.*"); len(left) > 0 && !isCache {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// A cache whose index was not written to its end is written again, together with an index that is whole.
func TestCacheWithATornIndex(t *testing.T) {
	t.Parallel()
	s, dir := newStepBuilder(t), t.TempDir()
	access := buildkit.Access{
		CacheTo:   []buildkit.Cache{{Type: "local", Options: map[string]string{"dest": dir}}},
		CacheFrom: []buildkit.Cache{{Type: "local", Options: map[string]string{"src": dir}}},
	}
	index := filepath.Join(dir, "index.json")
	var whole string
	for i, tear := range []func() error{
		func() error { return nil },
		func() error { return os.WriteFile(index, []byte(whole[:len(whole)/2]), 0o600) },
		func() error { return os.WriteFile(index, nil, 0o600) },
		func() error { return os.WriteFile(index, []byte(whole[:len(whole)/2]+whole), 0o600) },
	} {
		if err := tear(); err != nil {
			t.Fatal(err)
		}
		_, exports, err := s.solveAndExport(t.Context(), s.plan(t, fmt.Sprintf("RUN echo %d >/a", i)), access)
		if err := errors.Join(err, failureOf(exports)); err != nil {
			t.Fatal(i, err)
		}
		text, err := os.ReadFile(index)
		if whole = string(text); err != nil || !strings.HasSuffix(whole, "}") || strings.Count(whole, `"digest"`) != 1 {
			t.Fatalf("%d: the index is %q, %v", i, text, err)
		}
	}

	// A file that no cache has written stays. The error shows nothing of it.
	other := t.TempDir()
	access.CacheTo[0].Options["dest"], access.CacheFrom = other, nil
	if err := os.WriteFile(filepath.Join(other, "index.json"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, exports, err := s.solveAndExport(t.Context(), s.plan(t, "RUN true"), access)
	if err != nil {
		t.Fatal(err)
	}
	err = exports[0].Err
	if text, _ := os.ReadFile(filepath.Join(other, "index.json")); err == nil || string(text) != "mine" ||
		err.Error() != filepath.Join(other, "index.json")+": it is not the index of a cache" {
		t.Errorf("a file of another origin is %q now, error %v", text, err)
	}
}

//go:build linux

package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// An upgrade keeps the cache: the folder of a release before the marker is used, and gets the marker.
func TestFolderOfAnEarlierRelease(t *testing.T) {
	t.Parallel()
	skipWithoutDaemon(t)
	const config = "# Written at each start: changes are lost.\nroot = \"/x\"\n"
	files := func(prefix string) map[string]string {
		return map[string]string{
			prefix + "clients.lock": "", prefix + "start.lock": "", prefix + "alive.lock": "",
			prefix + "pids": "1\n2\n", prefix + "buildkitd.toml": config, prefix + "keeper.log": "",
			prefix + "buildkitd.log": "", prefix + "tmp/": "",
			prefix + "root/cache.db": "the cache",
		}
	}
	for name, files := range map[string]map[string]string{
		"with a daemon":        files(""),
		"on a disk of its own": merge(files(""), map[string]string{"lost+found/": ""}),
		"whose daemon never came up": {"clients.lock": "", "start.lock": "", "alive.lock": "", "keeper.log": "no",
			"tmp/": ""},
		"only with a private authority's": files("trust-0123abcd/"),
		"a new disk":                      {"lost+found/": ""},
		"empty":                           {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "d")
			must(t, os.Mkdir(dir, 0o700))
			writeFiles(t, dir, files)
			_, err := daemon.Acquire(t.Context(), daemon.Options{Dir: dir, Keeper: []string{"true"}})
			if err == nil || !strings.Contains(err.Error(), "its keeper ended before the daemon was ready") {
				t.Errorf("error %v", err)
			}
			if text, err := os.ReadFile(dir + "/pulumi-buildkit.txt"); err != nil ||
				!strings.Contains(string(text), "may be deleted") {
				t.Errorf("no marker: %q, %v", text, err)
			}
			for name, text := range files {
				if strings.HasSuffix(name, "root/cache.db") {
					if kept, _ := os.ReadFile(filepath.Join(dir, name)); string(kept) != text {
						t.Errorf("%s is lost", name)
					}
				}
			}
		})
	}
}

func merge(a, b map[string]string) map[string]string {
	for k, v := range b {
		a[k] = v
	}
	return a
}

//go:build linux

package daemon_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// otherVersionPath returns a PATH with another runc, as another version of the plugin has.
func otherVersionPath(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	runc, err := exec.LookPath("runc")
	must(t, err, os.WriteFile(bin+"/runc", []byte("#!/bin/sh\nexec "+runc+" \"$@\"\n"), 0o755))
	return "PATH=" + bin + ":" + os.Getenv("PATH")
}

// After an update of the plugin, the idle daemon of the earlier version is stopped. The next one takes its cache over.
func TestIdleDaemonOfAnotherVersionIsReplaced(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	c := startClient(t, dir, time.Minute, otherVersionPath(t))
	c.endpoint(t)
	_, before := runningProcesses(t, dir)
	must(t, c.stdin.Close(), c.cmd.Wait())
	lease, lines := acquire(t, daemon.Options{Dir: dir})
	if _, now := runningProcesses(t, dir); now == before {
		t.Error("the daemon of another version was joined")
	}
	want := "stopped the embedded BuildKit daemon of another version or configuration in " + dir
	if !slices.Contains(lines, want) {
		t.Errorf("log %q lacks %q", lines, want)
	}
	mustRun(t, lease.Endpoint(), "true")
}

// While another version builds, this version builds too, on its own daemon, which further clients join.
func TestUsedDaemonOfAnotherVersionIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	c := startClient(t, dir, time.Minute, otherVersionPath(t))
	theirs := c.endpoint(t)
	_, before := runningProcesses(t, dir)
	lease, lines := acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
	if _, now := runningProcesses(t, dir); now != before {
		t.Error("the daemon was stopped during the build of another client")
	}
	if !strings.HasPrefix(lease.Endpoint(), "unix://"+dir+"/beside-") {
		t.Errorf("endpoint %s", lease.Endpoint())
	}
	wantTexts(t, strings.Join(lines, "\n"), "another version of the plugin, or another configuration, uses")
	for _, endpoint := range []string{theirs, lease.Endpoint()} {
		mustRun(t, endpoint, "true")
	}
	again, _ := acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
	if again.Endpoint() != lease.Endpoint() {
		t.Errorf("a further client has %s, not %s", again.Endpoint(), lease.Endpoint())
	}
}

// Releases before the identity write a configuration without digests. A daemon of theirs is not joined, although the
// rest of the configuration is the same.
func TestDaemonFromBeforeTheIdentityIsNotJoined(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	lease, _ := acquire(t, daemon.Options{Dir: dir})
	_, before := runningProcesses(t, dir)
	must(t, lease.Release())
	config := filepath.Join(dir, "buildkitd.toml")
	text, err := os.ReadFile(config)
	must(t, err)
	lines := slices.DeleteFunc(strings.SplitAfter(string(text), "\n"),
		func(line string) bool { return strings.Contains(line, "sha256:") })
	must(t, os.WriteFile(config, []byte(strings.Join(lines, "")), 0o600))
	_, lines = acquire(t, daemon.Options{Dir: dir})
	if _, now := runningProcesses(t, dir); now == before || len(lines) == 0 {
		t.Error("the daemon without an identity was joined")
	}
}

// The identity covers each program of the daemon. Its digests are remembered for the next build.
func TestIdentityCoversThePrograms(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	acquire(t, daemon.Options{Dir: dir})
	config, err := os.ReadFile(filepath.Join(dir, "buildkitd.toml"))
	must(t, err)
	known, err := os.ReadFile(filepath.Join(dir, "digests.json"))
	must(t, err)
	for _, name := range []string{"buildkitd", "runc", "pulumi-buildkit-network"} {
		_, rest, ok := strings.Cut(string(config), "\n# "+name+" sha256:")
		if sum, _, _ := strings.Cut(rest, "\n"); !ok || len(sum) != 64 || !strings.Contains(string(known), sum) {
			t.Errorf("%s: the digest %q is not in digests.json", name, sum)
		}
	}
}

// The name of a folder has only a few digits of a digest. If the folder has the files of another trust, a client takes
// the next name.
func TestFolderOfAnotherTrustIsSkipped(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	options := daemon.Options{
		Dir: dir, Keeper: []string{"true"},
		Registries: map[string]daemon.Registry{"registry.example.com": {PlainHTTP: true}},
	}
	_, _ = daemon.Acquire(t.Context(), options)
	found, _ := filepath.Glob(dir + "/trust-*/registries.toml")
	if len(found) != 1 {
		t.Fatalf("found %v", found)
	}
	const evil = "\n[registry.\"registry.example.com\"]\nca = [\"/evil.pem\"]\n"
	must(t, os.WriteFile(found[0], []byte(evil), 0o600))
	_, _ = daemon.Acquire(t.Context(), options)
	if text, _ := os.ReadFile(found[0]); string(text) != evil {
		t.Errorf("the configuration of the other daemon was changed to %q", text)
	}
	next, err := os.ReadFile(filepath.Dir(found[0]) + "-/registries.toml")
	if err != nil || !strings.Contains(string(next), "http = true") {
		t.Errorf("%q, %v", next, err)
	}
}

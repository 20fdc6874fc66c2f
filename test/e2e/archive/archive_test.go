//go:build linux

// archive is the path of the archive that make dist made for this machine.
package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

const (
	version  = "1.2.3-test"
	platform = "linux-" + runtime.GOARCH
	epoch    = 1700000000
	maxSize  = 80_000_000 // of the plugin's binary
)

// archive is what make dist makes for this machine.
var archive string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// run makes the archive and runs the tests. It allows 10 minutes, because make may have to build the tools in the
// archive.
func run(m *testing.M) (int, error) {
	out, err := os.MkdirTemp("", "dist-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(out)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "make", "-C", "../../..", "dist", "PLATFORMS="+platform, "VERSION="+version,
		"SOURCE_DATE_EPOCH=1700000000", "DIST="+out)
	if text, err := cmd.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("make dist: %w:\n%s", err, text)
	}
	archive = filepath.Join(out, "pulumi-resource-buildkit-v"+version+"-"+platform+".tar.gz")
	return m.Run(), nil
}

type entry struct {
	header  tar.Header
	content []byte
}

// entries reads the archive once. gzip decompresses it, because the race detector slows our own decompression down
// tenfold.
var entries = sync.OnceValues(func() (map[string]entry, error) {
	plain, err := exec.CommandContext(context.Background(), "gzip", "-dc", archive).Output()
	if err != nil {
		return nil, err
	}
	all := map[string]entry{}
	for files := tar.NewReader(bytes.NewReader(plain)); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		content := make([]byte, header.Size)
		if _, err := io.ReadFull(files, content); err != nil {
			return nil, err
		}
		all[header.Name] = entry{*header, content}
	}
})

func readArchive(t *testing.T) map[string]entry {
	t.Helper()
	all, err := entries()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWhatTheArchiveHolds(t *testing.T) {
	t.Parallel()
	held := readArchive(t)
	var names []string
	for name, e := range held {
		names = append(names, name)
		if want := int64(0o755); name != "LICENSE" && e.header.Mode != want {
			t.Errorf("%s has the mode %o, want %o", name, e.header.Mode, want)
		}
		if !e.header.ModTime.Equal(time.Unix(epoch, 0)) || e.header.Uid != 0 || e.header.Uname != "" {
			t.Errorf("%s is of %v and %d %q", name, e.header.ModTime, e.header.Uid, e.header.Uname)
		}
	}
	slices.Sort(names)
	foreign := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	want := []string{
		"LICENSE", "buildkitd", "linux-" + foreign + "/pulumi-buildkit-mounts", "pulumi-buildkit-builder",
		"pulumi-buildkit-mounts", "pulumi-buildkit-network", "pulumi-resource-buildkit", "rootlesskit", "runc",
	}
	if !slices.Equal(names, want) {
		t.Errorf("it holds %v, want %v", names, want)
	}
	if size := len(held["pulumi-resource-buildkit"].content); size > maxSize {
		t.Errorf("the plugin has %d bytes, want at most %d", size, maxSize)
	}
}

// Another folder gives the same plugin. (The release builds whole archives twice, without a cache.)
func TestAnotherCheckoutIsTheSamePlugin(t *testing.T) {
	t.Parallel()
	checkout := t.TempDir()
	for _, source := range []string{"Makefile", "go.mod", "go.sum", ".tools/require", "cmd", "provider", "buildkit",
		"registry", "internal"} {
		copyTo(t, filepath.Join("../../..", source), filepath.Join(checkout, source))
	}
	cmd := exec.CommandContext(t.Context(), "make", "plugin", "OUT=out", "VERSION="+version)
	cmd.Dir = checkout
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make plugin: %v:\n%s", err, text)
	}
	again, err := os.ReadFile(filepath.Join(checkout, "out/pulumi-resource-buildkit"))
	if err != nil {
		t.Fatal(err)
	}
	if first := readArchive(t)["pulumi-resource-buildkit"].content; !bytes.Equal(first, again) {
		t.Errorf("the plugin of %s and that of the repository differ", checkout)
	}
}

func copyTo(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		path = filepath.Join(to, strings.TrimPrefix(path, from))
		return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, text, 0o755))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Only the installed plugin exists, and none of our programs is on PATH. The plugin runs the daemon from its archive.
func TestInstalledPlugin(t *testing.T) {
	t.Parallel()
	tools, err := filepath.Abs("../../../bin")
	if err != nil {
		t.Fatal(err)
	}
	registry, err := stack.StartRegistry(t.Context(), tools)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() })
	base, err := stack.PushBusybox(t.Context(), "../../../.cache/fixtures", registry.Host)
	if err != nil {
		t.Fatal(err)
	}
	cli, home := folderWithCLI(t, tools), t.TempDir()
	s := stack.New(t, stack.Config{
		Bin: cli, Idle: 8 * time.Second, Env: []string{"PATH=" + cli + ":/usr/bin:/bin", "PULUMI_HOME=" + home},
		Program: fstest.MapFS{
			"Pulumi.yaml":    {Data: []byte(strings.ReplaceAll(program, "HOST", registry.Host))},
			"app/Dockerfile": {Data: []byte("FROM " + base + "\nRUN echo built > /built\n")},
		},
	})
	pulumi(t, s, "plugin", "install", "resource", "buildkit", "v"+version, "--file", archive)
	if list := pulumi(t, s, "plugin", "ls"); !strings.Contains(list, version) {
		t.Errorf("pulumi plugin ls lacks %s:\n%s", version, list)
	}
	if out := s.Up(); out.Code != 0 || !strings.Contains(out.Stdout, registry.Host+"/app@sha256:") {
		t.Fatalf("exit code %d:\n%s", out.Code, out.All())
	}
	installed := filepath.Join(home, "plugins", "resource-buildkit-v"+version, "buildkitd")
	if daemons := stack.Daemons(s.Daemon); !slices.ContainsFunc(daemons, func(p stack.Proc) bool {
		executable, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.PID))
		return err == nil && executable == installed
	}) {
		t.Errorf("%s does not run, these do: %v", installed, daemons)
	}
	if out := s.Destroy("--skip-preview"); out.Code != 0 {
		t.Errorf("exit code %d:\n%s", out.Code, out.All())
	}
}

const program = `name: app
runtime: yaml
resources:
  image: { type: "buildkit:Image", properties: { context: { location: app }, tags: ["HOST/app:1"] } }
outputs: { repoDigest: "${image.repoDigest}" }
`

// folderWithCLI returns a folder with only the CLI and its YAML language host.
func folderWithCLI(t *testing.T, tools string) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"pulumi", "pulumi-language-yaml"} {
		if err := os.Symlink(filepath.Join(tools, name), filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func pulumi(t *testing.T, s *stack.Test, args ...string) string {
	t.Helper()
	result, err := s.Run(t.Context(), args...)
	if err != nil || result.Code != 0 {
		t.Fatalf("pulumi %v: %v, exit code %d:\n%s", args, err, result.Code, result.All())
	}
	return result.All()
}

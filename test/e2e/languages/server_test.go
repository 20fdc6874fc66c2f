//go:build linux

package languages

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// host says how to run a program of one language.
type host struct {
	folder string // of the program, below examples/go-server
	env    []string
	ready  func(t *testing.T, folder string) // runs after the program is copied
}

func hosts(t *testing.T) map[string]host {
	return map[string]host{
		"YAML": {folder: "."},
		"TypeScript": {folder: "typescript", env: []string{"PULUMI_NODEJS_TRANSPILE_ONLY=true"},
			ready: func(t *testing.T, folder string) {
				link(t, inToolchain("node_modules"), filepath.Join(folder, "node_modules"))
			}},
		"Python": {folder: "python", env: []string{"PATH=" + inToolchain("venv/bin") + ":" + shared.bin + ":" +
			os.Getenv("PATH")}},
		"Go": {folder: "go", env: goEnvironment(t),
			ready: func(t *testing.T, folder string) { link(t, inRepo("sdk"), filepath.Join(folder, "../../../sdk")) }},
		"Java": {folder: "java", env: []string{"MAVEN_OPTS=-Dmaven.repo.local=" + inToolchain("maven") +
			" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}},
	}
}

// Runs the same program in every language, with one pulumi up each, and compares the digests. The image has a file
// instead of the example's server, which takes a minute to build and has its own test.
func TestServerInEveryLanguage(t *testing.T) {
	t.Parallel()
	var digests sync.Map
	t.Run("languages", func(t *testing.T) {
		for language, host := range hosts(t) {
			t.Run(language, func(t *testing.T) {
				t.Parallel()
				digests.Store(language, up(t, host, shared.registry.Host+"/go-server-"+strings.ToLower(language)))
			})
		}
	})
	got := map[string]bool{}
	digests.Range(func(language, digest any) bool {
		t.Log(language, digest)
		got[digest.(string)] = true
		return true
	})
	if len(got) != 1 || got[""] {
		t.Errorf("digests: %v, want one", slices.Sorted(maps.Keys(got)))
	}
}

// up runs pulumi up and returns the digest in the program's output repoDigest.
func up(t *testing.T, h host, repository string) string {
	t.Helper()
	s := stack.New(t, stack.Config{
		Bin: shared.bin, Program: checkout(t), Folder: path.Join("examples/go-server",
			h.folder), Daemon: shared.daemon, Idle: 10 * time.Second,
		Env: h.env, Values: map[string]string{"repository": repository, "goroot": t.TempDir()},
	})
	if h.ready != nil {
		h.ready(t, s.Dir)
	}
	result := s.Up()
	if result.Code != 0 || !strings.Contains(result.Stdout, "+ 2 created") {
		t.Fatalf("exit code %d:\n%s", result.Code, result.All())
	}
	digest := regexp.MustCompile(regexp.QuoteMeta(repository) +
		`@(sha256:[0-9a-f]{64})"`).FindStringSubmatch(result.Stdout)
	if digest == nil {
		t.Fatalf("no output is a digest of %s:\n%s", repository, result.All())
	}
	return digest[1]
}

// checkout returns the files of the example, with a smaller Dockerfile.
func checkout(t *testing.T) fs.FS {
	t.Helper()
	tree := fstest.MapFS{}
	const example = "examples/go-server"
	source := os.DirFS(shared.repo)
	err := fs.WalkDir(source, example, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(source, name)
		tree[name] = &fstest.MapFile{Data: text, Mode: 0o644}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	tree[example+"/Dockerfile"] = &fstest.MapFile{Data: []byte("FROM scratch\nARG VERSION\nLABEL version=$VERSION\n" +
		"COPY go.mod main.go /\n"), Mode: 0o644}
	return tree
}

// goEnvironment returns the folders of Go's caches, which are below HOME otherwise. The stack has its own HOME.
func goEnvironment(t *testing.T) []string {
	t.Helper()
	cache := strings.Fields(tool(t, shared.repo, "go", "env", "GOCACHE", "GOMODCACHE"))
	return []string{`GOFLAGS="-ldflags=-s -w"`, "GOCACHE=" + cache[0], "GOMODCACHE=" + cache[1]}
}

//go:build linux

package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/examples/snippets"
	"github.com/pulumi-buildkit/pulumi-buildkit/examples/stack"
)

// What the programs in the documentation build.
var documented = fstest.MapFS{
	"app/Dockerfile":             {Data: []byte("FROM scratch\nCOPY Dockerfile /\n")},
	"services/api/Dockerfile":    {Data: []byte("FROM scratch AS test\nCOPY services/api/Dockerfile /test\nFROM scratch\nCOPY services/api/Dockerfile /\n")},
	"services/worker/Dockerfile": {Data: []byte("FROM scratch\nCOPY services/worker/Dockerfile /\n")},
}

// What it sets where a program has no default.
var settings = map[string]string{"registryPassword": "secret", "image": "registry.example.com/shop/app@sha256:" + strings.Repeat("0", 64)}

var exampleHosts = regexp.MustCompile(`\bregistry\.example\.com\b`)

// Every YAML program of the documentation is one that the CLI takes and previews, with a build. Those with resources of other providers,
// which are not here, are left out.
func TestDocumentedPrograms(t *testing.T) {
	t.Parallel()
	tested := 0
	for _, block := range blocks(t) {
		if block.Language != "yaml" || !strings.Contains(block.Text, "runtime: yaml") || strings.Contains(block.Text, "type: aws:") {
			continue
		}
		tested++
		t.Run(block.Place, func(t *testing.T) {
			t.Parallel()
			tree := fstest.MapFS{"Pulumi.yaml": {Data: []byte(exampleHosts.ReplaceAllString(block.Text, shared.registry.Host))}}
			for name, file := range documented {
				tree[name] = file
			}
			s := stack.New(t, stack.Config{Bin: shared.bin, Program: tree, Daemon: shared.daemon, Idle: 5 * time.Second})
			for name, value := range settings {
				if strings.Contains(block.Text, "\n  "+name+":") {
					cli(t, s, "config", "set", "--secret", name, value)
				}
			}
			ok(t, s.Preview())
		})
	}
	if tested < 8 {
		t.Errorf("only %d programs were found", tested)
	}
}

// Jobs of GitHub Actions are what actionlint takes.
func TestDocumentedWorkflows(t *testing.T) {
	t.Parallel()
	tested := 0
	for _, block := range blocks(t) {
		if block.Language != "yaml" || !strings.Contains(block.Text, "runs-on:") {
			continue
		}
		tested++
		cmd := exec.CommandContext(t.Context(), filepath.Join(shared.bin, "actionlint"), "-")
		cmd.Stdin = strings.NewReader(block.Text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v:\n%s", block.Place, err, out)
		}
	}
	if tested == 0 {
		t.Error("no workflow was found")
	}
}

var (
	quoted  = regexp.MustCompile("`([^`]+)`")
	wrapped = regexp.MustCompile(`" ?\+\s*"`)
)

// What troubleshooting.md calls an error's text is in the source, or is what the tools say that it builds with.
func TestDocumentedErrors(t *testing.T) {
	t.Parallel()
	source := sources(t, "../provider", "../registry", "../buildkit")
	page, err := os.ReadFile("../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	tested := 0
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "### ") && !strings.HasPrefix(line, "- `") {
			continue
		}
		tested++
		for part := range strings.SplitSeq(quoted.FindStringSubmatch(line)[1], "…") {
			if !strings.Contains(source, strings.TrimSpace(part)) {
				t.Errorf("no error says %q", part)
			}
		}
	}
	if tested < 20 {
		t.Errorf("only %d texts were found", tested)
	}
}

func sources(t *testing.T, folders ...string) string {
	t.Helper()
	var text strings.Builder
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := os.ReadFile(path)
			text.Write(file)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return wrapped.ReplaceAllString(text.String(), "")
}

func blocks(t *testing.T) []snippets.Block {
	t.Helper()
	all, err := snippets.All("..")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

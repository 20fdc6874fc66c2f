//go:build linux

package e2e

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/snippets"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// documentedFiles are what the programs in the documentation build.
var documentedFiles = fstest.MapFS{
	"app/Dockerfile":  {Data: []byte("FROM scratch\nCOPY Dockerfile /\n")},
	"base/Dockerfile": {Data: []byte("FROM scratch\nCOPY Dockerfile /\n")},
	"services/api/Dockerfile": {Data: []byte("FROM scratch AS test\nCOPY services/api/Dockerfile /test\n" +
		"FROM scratch\nCOPY services/api/Dockerfile /\n")},
	"services/worker/Dockerfile": {Data: []byte("FROM scratch\nCOPY services/worker/Dockerfile /\n")},
}

// documentedConfig has the settings of programs that have no default for them.
var documentedConfig = map[string]string{"registryPassword": "secret",
	"image": "registry.example.com/shop/app@sha256:" + strings.Repeat("0", 64)}

var (
	sectionPattern   = regexp.MustCompile(`(?m)^(config|resources|outputs):\n((?:(?:  .*)?\n)+)`)
	namePattern      = regexp.MustCompile(`(?m)^  (\w+):`)
	referencePattern = regexp.MustCompile(`\$\{(\w+)\.`)
)

// mergePrograms joins all programs to one, because starting the CLI for each would take most of the time. It appends
// the number of its program to each resource, output and repository. The configuration is shared.
func mergePrograms(programs []snippets.Block) string {
	sections := map[string]string{}
	for i, program := range programs {
		number := fmt.Sprint(i)
		text := strings.ReplaceAll(program.Text, "registry.example.com/", "registry.example.com/"+number+"/")
		text = strings.ReplaceAll(referencePattern.ReplaceAllString(text, "$${${1}"+number+"."), "registry.example.com",
			shared.Registry.Host)
		for _, found := range sectionPattern.FindAllStringSubmatch(text+"\n", -1) {
			if found[1] == "config" {
				sections["config"] += found[2]
				continue
			}
			sections[found[1]] += namePattern.ReplaceAllString(found[2], "  ${1}"+number+":")
		}
	}
	return "name: documented\nruntime: yaml\nconfig:\n" + sections["config"] + "resources:\n" + sections["resources"] +
		"outputs:\n" + sections["outputs"]
}

// The CLI previews every YAML program of the documentation, with builds. Programs with resources of other providers are
// left out, because these are not installed.
func TestDocumentedPrograms(t *testing.T) {
	t.Parallel()
	programs := slices.DeleteFunc(blocks(t), func(b snippets.Block) bool {
		return b.Language != "yaml" || !strings.Contains(b.Text, "runtime: yaml") ||
			strings.Contains(b.Text, "type: aws:")
	})
	resources := 0
	for _, program := range programs {
		resources += strings.Count(program.Text, "type: buildkit:")
	}
	tree := fstest.MapFS{"Pulumi.yaml": {Data: []byte(mergePrograms(programs))}}
	maps.Copy(tree, documentedFiles)
	s := stack.New(t, stack.Config{Bin: shared.Bin, Program: tree, Daemon: shared.Daemon, Idle: 5 * time.Second})
	for name, value := range documentedConfig {
		cli(t, s, "config", "set", "--secret", name, value)
	}
	succeeds(t, s.Preview(), fmt.Sprintf("+ %d to create", resources+1))
	if resources < 10 {
		t.Errorf("only %d resources were found", resources)
	}
}

// actionlint accepts every job of GitHub Actions.
func TestDocumentedWorkflows(t *testing.T) {
	t.Parallel()
	tested := 0
	for _, block := range blocks(t) {
		if block.Language != "yaml" || !strings.Contains(block.Text, "runs-on:") {
			continue
		}
		tested++
		cmd := exec.CommandContext(t.Context(), filepath.Join(shared.Bin, "actionlint"), "-")
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
	quotedPattern = regexp.MustCompile("`([^`]+)`")
	concatPattern = regexp.MustCompile(`" ?\+\s*"`)
)

// The source contains each text that troubleshooting.md quotes as an error.
func TestDocumentedErrors(t *testing.T) {
	t.Parallel()
	source := sources(t, "../../provider", "../../registry", "../../buildkit", "../../internal")
	page, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	tested := 0
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "### ") && !strings.HasPrefix(line, "- `") {
			continue
		}
		tested++
		for part := range strings.SplitSeq(quotedPattern.FindStringSubmatch(line)[1], "…") {
			if !strings.Contains(source, strings.TrimSpace(part)) {
				t.Errorf("no error says %q", part)
			}
		}
	}
	if tested < 20 {
		t.Errorf("only %d texts were found", tested)
	}
}

// sources returns the text of all Go files in the folders, without tests. It joins string literals that are split over
// lines.
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
	return concatPattern.ReplaceAllString(text.String(), "")
}

// blocks returns the fenced blocks of the documentation.
func blocks(t *testing.T) []snippets.Block {
	t.Helper()
	all, err := snippets.All("../..")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

//go:build linux

package e2e

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/snippets"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// jobMarks are what the job of each CI service contains.
var jobMarks = map[string]string{
	"GitHub Actions": "runs-on:", "GitLab": ".gitlab-ci.yml", "CodeBuild": "buildspec.yml", "Jenkins": "pipeline {",
	"Pulumi Deployments": "pulumi deployment settings edit",
}

// The CLI runs what the documented jobs call of it, with the first program of the same page, which writes both caches.
// The jobs themselves run on their services only. Options that change settings there are looked up in the CLI's help.
func TestDocumentedJobs(t *testing.T) {
	t.Parallel()
	page := slices.DeleteFunc(blocks(t), func(b snippets.Block) bool { return !strings.HasPrefix(b.Place, "ci.md:") })
	commands, services := map[string]bool{}, map[string]bool{}
	for _, b := range page {
		for service, mark := range jobMarks {
			if strings.Contains(b.Text, mark) {
				services[service] = true
				readsAsYAML(t, b)
				for _, command := range jobCommands(b.Text) {
					commands[command] = true
				}
			}
		}
	}
	if len(services) != len(jobMarks) {
		t.Errorf("found the jobs of %v only", services)
	}
	first := slices.IndexFunc(page, func(b snippets.Block) bool { return strings.Contains(b.Text, "runtime: yaml") })
	program := strings.ReplaceAll(page[first].Text, "registry.example.com/shop", repository(t))
	dockerfile := "FROM " + shared.Base + "\nRUN --mount=type=cache,id=" + t.Name() + ",target=/kept date >/kept/date\n"
	tree := fstest.MapFS{
		"Pulumi.yaml": {Data: []byte(program)}, "app/Dockerfile": {Data: []byte(dockerfile)},
	}
	s := stack.New(t, stack.Config{Bin: shared.Bin, Program: tree, Daemon: shared.Daemon, Idle: 5 * time.Second})
	runJobs(t, s, commands)
}

// runJobs runs commands on the stack of the test. Those that change settings of Pulumi's service are not run, and the
// CLI must know their options.
func runJobs(t *testing.T, s *stack.Test, commands map[string]bool) {
	t.Helper()
	for command := range commands {
		args := strings.Fields(command)
		if args[0] != "deployment" { // the service is not here
			result := cli(t, s, args...)
			if args[0] == "up" {
				says(t, result, "wrote the cache", "saved the cache mount")
			}
			continue
		}
		help := cli(t, s, "deployment", "settings", "edit", "--help")
		for _, arg := range args {
			if strings.HasPrefix(arg, "--") {
				says(t, help, arg+" ")
			}
		}
	}
}

var jobCommand = regexp.MustCompile(`(?m)\bpulumi ((?:preview|up|deployment settings edit)\b.*)$`)

var jobStack = regexp.MustCompile(` --stack \S+`)

// jobCommands returns the arguments of the calls of the CLI, without the stack.
func jobCommands(text string) (commands []string) {
	text = strings.ReplaceAll(text, "\\\n", " ")
	for _, found := range jobCommand.FindAllStringSubmatch(text, -1) {
		commands = append(commands, strings.TrimRight(jobStack.ReplaceAllString(found[1], ""), "'"))
	}
	return commands
}

// readsAsYAML fails the test if a block that should be YAML is not.
func readsAsYAML(t *testing.T, b snippets.Block) {
	t.Helper()
	var job map[string]any
	if b.Language == "yaml" && (yaml.Unmarshal([]byte(b.Text), &job) != nil || len(job) == 0) {
		t.Errorf("%s is not YAML", b.Place)
	}
}

package provider

import (
	"regexp"
)

// tool is a program that keeps what it has fetched or compiled in a folder of its own.
type tool struct {
	command *regexp.Regexp // that fills the folder
	keeps   string         // what it keeps, for people
	without *regexp.Regexp // options with which it does not fill it; nil: there are none
}

// tools are the programs whose steps a cache mount makes faster.
var tools = []tool{
	newTool("npm", "ci|install|i|add", "npm downloads", "--offline"),
	newTool("pnpm", "install|i|add|fetch", "pnpm downloads", "--offline"),
	newTool("yarn", "install|add", "yarn downloads", "--offline"),
	newTool("pip3?", "install", "pip downloads", "--no-index|--no-cache-dir"),
	newTool("poetry", "install|add", "poetry downloads", "--no-cache"),
	newTool("composer", "install|update|require", "composer downloads", "--no-cache"),
	newTool("uv", "sync|add|pip install", "uv downloads", "--offline|--no-cache"),
	newTool("go", "mod download", "go downloads", ""),
	newTool("go", "build|install|test", "go compiles", ""),
	newTool("cargo", "fetch|build|install|test", "cargo downloads", "--offline|--frozen"),
	newTool("mvn", "compile|package|verify|install|test", "mvn downloads", "-o|--offline"),
	newTool("gradle", "build|assemble|test", "gradle downloads", "--offline"),
	newTool("dotnet", "restore|build|publish", "dotnet downloads", "--no-restore"),
}

// cacheMount matches a step with a cache mount.
var cacheMount = regexp.MustCompile(`--mount=\S*type=cache`)

// newTool returns a tool with these subcommands. Its command stands at the beginning of the step or after an operator
// of the shell, and may have options before the subcommand. without is empty if all options are good.
func newTool(name, subcommands, keeps, without string) tool {
	const begin = `(?:^RUN (?:--\S+\s+)*|[;&|(]\s*)(?:\w+=\S*\s+)*`
	const end = `(?:[\s;&|)][^;&|]*|$)`
	t := tool{
		command: regexp.MustCompile(begin + `(?:` + name + `)(?:\s+-\S+)*\s+(?:` + subcommands + `)` + end),
		keeps:   keeps,
	}
	if without != "" {
		t.without = regexp.MustCompile(`\s(?:` + without + `)(?:[\s;&|)=]|$)`)
	}
	return t
}

// keptBy returns what the first tool in a step keeps, such as "npm downloads"; "" if the step calls none.
func keptBy(step string) string {
	for _, t := range tools {
		command := t.command.FindString(step)
		if command != "" && (t.without == nil || !t.without.MatchString(command)) {
			return t.keeps
		}
	}
	return ""
}

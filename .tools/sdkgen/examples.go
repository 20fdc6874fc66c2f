package main

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	yaml "github.com/pulumi/pulumi-yaml/pkg/pulumiyaml/codegen"
	"github.com/pulumi/pulumi/pkg/v3/codegen/pcl"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

// The examples in the descriptions of resources, by the name of the resource. The first line of each is its title.
//
//go:embed examples/*/*.pp
var exampleFiles embed.FS

// fenced is a language of examples. Registries and IDEs find their language by the word behind the fence.
type fenced struct {
	word    string
	program func(*pcl.Program) (map[string][]byte, hcl.Diagnostics, error)
}

// exampleLanguages returns the languages of examples: those of the SDKs, and YAML.
func exampleLanguages() []fenced {
	words := map[string]string{
		"nodejs": "typescript", "python": "python", "go": "go", "dotnet": "csharp", "java": "java",
	}
	all := []fenced{{"yaml", yaml.GenerateProgram}}
	for _, l := range languages {
		all = append(all, fenced{words[l.folder], l.program})
	}
	return all
}

// writeExamples writes the examples of each resource into a file of the folder, such as image_examples.md.
func writeExamples(source, folder string) error {
	text, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	pkg, err := bind(text, "0.0.0", languages[0])
	if err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	resources, err := fs.ReadDir(exampleFiles, "examples")
	if err != nil {
		return err
	}
	for _, resource := range resources {
		page, err := examplesOf(pkg, resource.Name())
		if err != nil {
			return err
		}
		out := filepath.Join(folder, resource.Name()+"_examples.md")
		if err := os.WriteFile(out, []byte(page), 0o644); err != nil { //nolint:gosec // documentation is for everybody
			return err
		}
	}
	return nil
}

// examplesOf returns the examples of a resource as Markdown in every language, in the form of a schema's descriptions.
func examplesOf(pkg *schema.Package, resource string) (string, error) {
	names, err := fs.Glob(exampleFiles, "examples/"+resource+"/*.pp")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("## Example Usage\n\n{{% examples %}}\n")
	for _, name := range names {
		program, err := exampleFiles.ReadFile(name)
		if err != nil {
			return "", err
		}
		title, body, _ := strings.Cut(strings.TrimPrefix(string(program), "# "), "\n")
		fmt.Fprintf(&b, "{{%% example %%}}\n### %s\n\n", title)
		for _, l := range exampleLanguages() {
			files, err := translate(pkg, body, l.program)
			if err != nil {
				return "", fmt.Errorf("%s in %s: %w", name, l.word, err)
			}
			fmt.Fprintf(&b, "```%s\n%s\n```\n\n", l.word, mainFile(files))
		}
		b.WriteString("{{% /example %}}\n")
	}
	b.WriteString("{{% /examples %}}\n")
	return b.String(), nil
}

var emptyLines = regexp.MustCompile(`\n{3,}`)

// mainFile returns the text of the only file of a program.
func mainFile(files map[string][]byte) string {
	names := keys(files)
	if i := slices.Index(names, "Main.yaml"); i >= 0 {
		names = names[i:]
	}
	return strings.TrimSpace(emptyLines.ReplaceAllString(string(files[names[0]]), "\n\n"))
}

package main

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/pulumi/pulumi-java/pkg/codegen/java"
	"github.com/pulumi/pulumi/pkg/v3/codegen/pcl"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

// generateJavaProgram generates a Java program and corrects five mistakes of the generator.
//
// The generator imports types of members from its own group instead of the package's, and types of maps not at all. It
// writes enums as text. It does not rename an input or an output called builder. It reads what a function returns as if
// that were no output. It names the file after another class.
func generateJavaProgram(program *pcl.Program) (map[string][]byte, hcl.Diagnostics, error) {
	files, diagnostics, err := java.GenerateProgram(program)
	if err != nil || len(files) != 1 {
		return nil, diagnostics, fmt.Errorf("%d files, want one: %w", len(files), err)
	}
	for _, content := range files {
		text := strings.ReplaceAll(string(content), "import com.pulumi.buildkit.", "import "+javaPackage+".")
		text = strings.Replace(text, "\nimport java.",
			"\nimport "+javaPackage+".enums.*;\nimport "+javaPackage+".inputs.*;\nimport java.", 1)
		text = strings.ReplaceAll(text, ".builder(BuilderConfigArgs.", ".builder_(BuilderConfigArgs.")
		text = withResults(builderOutput.ReplaceAllString(text, "$1.builder_()"))
		text = mapOfLists.ReplaceAllString(text, "$1 List.of($2))")
		text = strings.Replace(text, "package generated_program;", "package program;", 1)
		enums := map[string]string{}
		for _, ref := range program.PackageReferences() {
			pkg, err := ref.Definition()
			if err != nil {
				return nil, diagnostics, err
			}
			maps.Copy(enums, enumMembers(pkg))
		}
		files = map[string][]byte{"App.java": []byte(withEnums(text, enums))}
	}
	return files, diagnostics, nil
}

// builderOutput finds the output called builder of a variable. The builders of classes begin with a capital.
var builderOutput = regexp.MustCompile(`\b([a-z]\w*)\.builder\(\)`)

// functionCall finds the call of a function, with the variable of what it returns.
var functionCall = regexp.MustCompile(`final var (\w+) = \w+Functions\.`)

// withResults reads the results of functions inside of an applyValue, because a function returns an output.
func withResults(text string) string {
	for _, call := range functionCall.FindAllStringSubmatch(text, -1) {
		read := regexp.MustCompile(`\b` + call[1] + `\.(\w+)\(\)`)
		text = read.ReplaceAllString(text, call[1]+".applyValue(_"+call[1]+" -> _"+call[1]+".$1())")
	}
	return text
}

// mapOfLists matches a map of lists with one element, of which the generator writes the element alone.
var mapOfLists = regexp.MustCompile(`(\.mirrors\(Map\.of\("[^"]*",) ("[^"]*")\)`)

const javaPackage = "io.github.pulumibuildkit.buildkit"

// enumMembers returns the Java name of each enum value by its place: "CacheToS3Args.mode:max" gives "CacheMode.Max".
func enumMembers(pkg *schema.Package) map[string]string {
	members := map[string]string{}
	add := func(owner string, properties []*schema.Property) {
		for _, p := range properties {
			if enum, ok := element(p.Type).(*schema.EnumType); ok {
				for _, e := range enum.Elements {
					name, err := java.DocLanguageHelper{}.GetEnumName(e, typeName(enum.Token))
					if err == nil {
						members[fmt.Sprintf("%sArgs.%s:%v", owner, p.Name, e.Value)] = typeName(enum.Token) + "." + name
					}
				}
			}
		}
	}
	for _, r := range pkg.Resources {
		add(typeName(r.Token), r.InputProperties)
	}
	for _, t := range pkg.Types {
		if t, ok := t.(*schema.ObjectType); ok {
			add(typeName(t.Token), t.Properties)
		}
	}
	return members
}

// plain returns a type without its optional and input wrappers.
func plain(t schema.Type) schema.Type {
	switch t := t.(type) {
	case *schema.OptionalType:
		return plain(t.ElementType)
	case *schema.InputType:
		return plain(t.ElementType)
	}
	return t
}

// element returns the type of the elements of a list, or of a single value.
func element(t schema.Type) schema.Type {
	if list, ok := plain(t).(*schema.ArrayType); ok {
		return plain(list.ElementType)
	}
	return plain(t)
}

var (
	builderCalls = regexp.MustCompile(`(\w+)\.builder\(\)|\.build\(\)|\.(\w+)\(\s*("[^"]*"(?:,\s*"[^"]*")*)\)`)
	javaString   = regexp.MustCompile(`"([^"]*)"`)
)

// withEnums replaces strings by members of enums, if the innermost builder takes them.
func withEnums(text string, members map[string]string) string {
	var builders []string
	return builderCalls.ReplaceAllStringFunc(text, func(call string) string {
		match := builderCalls.FindStringSubmatch(call)
		switch {
		case match[1] != "":
			builders = append(builders, match[1])
		case call == ".build()":
			builders = builders[:len(builders)-1]
		case len(builders) > 0:
			return javaString.ReplaceAllStringFunc(call, func(text string) string {
				place := builders[len(builders)-1] + "." + match[2] + ":" + strings.Trim(text, `"`)
				return cmp.Or(members[place], text)
			})
		}
		return call
	})
}

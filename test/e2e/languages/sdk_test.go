//go:build linux

package languages

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/snippets"
)

// The compiler or type checker of each language accepts four kinds of programs: one that uses every input and reads
// every output, which make sdk generates; the example; those of the documentation and of the schema; and the one that
// was written for docker-build. make languages has built the SDKs themselves.
func TestPrograms(t *testing.T) {
	t.Parallel()
	for language, check := range map[string]func(*testing.T){
		"TypeScript": checkTypeScript, "Python": checkPython, "Go": checkGo, "Java": checkJava, "C#": checkCSharp,
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			check(t)
		})
	}
}

func inRepo(elements ...string) string {
	return filepath.Join(append([]string{shared.repo}, elements...)...)
}

func inToolchain(elements ...string) string {
	return filepath.Join(append([]string{shared.toolchain}, elements...)...)
}

const inputs = "test/e2e/languages/testdata/inputs"

// checkTypeScript checks the programs in TypeScript. The compiler looks for packages in the folders above the file that
// imports them.
func checkTypeScript(t *testing.T) {
	folder := inToolchain("check-nodejs")
	for name, source := range map[string]string{"inputs.ts": inputs + "/nodejs/index.ts",
		"server.ts": "examples/go-server/typescript/index.ts"} {
		link(t, inRepo(source), filepath.Join(folder, name))
	}
	writeMoved(t, "TypeScript", filepath.Join(folder, "moved.ts"))
	args := []string{"--strict", "--noEmit", "--incremental", "--tsBuildInfoFile", "checked", "--preserveSymlinks",
		"--skipLibCheck",
		"--target", "es2020", "--module", "commonjs", "--moduleResolution", "node", "--types", "node",
		"inputs.ts", "server.ts", "moved.ts"}
	tool(t, folder, inToolchain("node_modules/.bin/tsc"),
		append(args, writeDocumentedPrograms(t, "typescript", folder)...)...)
}

// link replaces path by a link to target.
func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(path)
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// checkPython checks the programs in Python one after the other, because the checker takes only one __main__.py at a
// time.
func checkPython(t *testing.T) {
	tool(t, shared.repo, inToolchain("venv/bin/python"), "-m", "compileall", "-q", "sdk/python")
	for name, source := range map[string]string{"inputs.py": inputs + "/python/__main__.py",
		"server.py": "examples/go-server/python/__main__.py"} {
		link(t, inRepo(source), inToolchain("check-python", name))
	}
	writeMoved(t, "Python", inToolchain("check-python/moved.py"))
	args := []string{"--strict", "--cache-dir", "checked", "inputs.py", "server.py", "moved.py"}
	tool(t, inToolchain("check-python"), inToolchain("venv/bin/mypy"),
		append(args, writeDocumentedPrograms(t, "python", inToolchain("check-python"))...)...)
}

// checkGo checks the programs in Go. The module of the example uses the SDK of this tree. TestMovedPrograms compiles
// the program of docker-build.
func checkGo(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum", "main.go"} {
		text, err := os.ReadFile(inRepo("examples/go-server/go", name))
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("../../../sdk"), []byte(inRepo("sdk")))
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link(t, inRepo(inputs, "go/main.go"), filepath.Join(folder, "inputs/main.go"))
	for i, file := range writeDocumentedPrograms(t, "go", t.TempDir()) {
		link(t, file, filepath.Join(folder, fmt.Sprint("doc", i), "main.go"))
	}
	tool(t, folder, "go", "vet", "./...")
}

func checkJava(t *testing.T) {
	jars, moved := javaPath(t), filepath.Join(t.TempDir(), "shop/App.java")
	writeMoved(t, "Java", moved)
	args := []string{"-proc:none", "-Xlint:all,-path,-classfile", "-Werror", "-d", t.TempDir(), "-cp", jars,
		inputs + "/java/App.java", "examples/go-server/java/src/main/java/goserver/App.java", moved}
	tool(t, shared.repo, "javac", append(args, writeDocumentedPrograms(t, "java", t.TempDir())...)...)
	// The CLI asks in this way which plugins to install.
	if asked := tool(t, shared.repo, "java", "-cp", jars, "com.pulumi.bootstrap.internal.Main",
		"packages"); !strings.Contains(asked, `"name":"buildkit"`) {
		t.Errorf("the SDK does not say which plugin it needs: %s", asked)
	}
}

func javaPath(t *testing.T) string {
	t.Helper()
	var jars []string
	for _, pattern := range []string{"sdk-java/target/*.jar", "maven/com/pulumi/pulumi/*/*.jar",
		"maven/com/google/code/gson/gson/*/*.jar", "maven/com/google/guava/*/*/*.jar"} {
		found, err := filepath.Glob(inToolchain(pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		jars = append(jars, found...)
	}
	return strings.Join(jars, ":")
}

// checkCSharp checks the programs in C# without .NET: a parser checks the syntax, and a script looks up names and
// kinds.
func checkCSharp(t *testing.T) {
	folder := t.TempDir()
	writeDocumentedPrograms(t, "csharp", folder)
	writeMoved(t, "C#", filepath.Join(folder, "moved.cs"))
	tool(t, shared.toolchain, "node", inRepo(".tools/languages/csharp.mjs"), inRepo("sdk/dotnet"),
		inRepo(inputs, "dotnet"),
		inRepo("examples/go-server/csharp"), folder)
}

var (
	extensions = map[string]string{"typescript": ".ts", "python": ".py", "go": ".go", "java": ".java", "csharp": ".cs"}
	javaClass  = regexp.MustCompile(`public class (\w+)`)
)

// writeDocumentedPrograms writes the programs in the language of the documentation and of the schema into folder. In
// Java the file has the name of its class, and each example its own package.
func writeDocumentedPrograms(t *testing.T, language, folder string) (files []string) {
	t.Helper()
	blocks, err := snippets.All(shared.repo)
	if err != nil {
		t.Fatal(err)
	}
	examples, err := snippets.Examples(shared.repo)
	if err != nil {
		t.Fatal(err)
	}
	for i, block := range append(blocks, examples...) {
		if block.Language != language {
			continue
		}
		name := fmt.Sprintf("doc%d", i)
		if class := javaClass.FindStringSubmatch(block.Text); class != nil {
			block.Text = strings.Replace(block.Text, "package program;", "package "+name+";", 1)
			name = filepath.Join(name, class[1])
		}
		file := filepath.Join(folder, name+extensions[language])
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(block.Text), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		t.Errorf("the documentation has nothing in %s", language)
	}
	return files
}

//go:build linux

package languages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What every SDK is checked with, by the language's own compiler or type checker: a program that uses every input and reads every
// output, which make sdk makes from the schema, and the program of the example. make languages has built the SDKs themselves.
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

const inputs = "examples/languages/testdata/inputs"

// The compiler looks for packages upwards from the file that imports them.
func checkTypeScript(t *testing.T) {
	folder := inToolchain("check-nodejs")
	for name, source := range map[string]string{"inputs.ts": inputs + "/nodejs/index.ts", "server.ts": "examples/go-server/typescript/index.ts"} {
		link(t, inRepo(source), filepath.Join(folder, name))
	}
	tool(t, folder, inToolchain("node_modules/.bin/tsc"), "--strict", "--noEmit", "--incremental", "--tsBuildInfoFile", "checked",
		"--preserveSymlinks", "--skipLibCheck", "--target", "es2020", "--module", "commonjs", "--moduleResolution", "node", "--types", "node",
		"inputs.ts", "server.ts")
}

// link replaces what is there from an earlier run.
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

// Both programs are called __main__.py, of which the checker takes one at a time.
func checkPython(t *testing.T) {
	tool(t, shared.repo, inToolchain("venv/bin/python"), "-m", "compileall", "-q", "sdk/python")
	for name, source := range map[string]string{"inputs.py": inputs + "/python/__main__.py", "server.py": "examples/go-server/python/__main__.py"} {
		link(t, inRepo(source), inToolchain("check-python", name))
	}
	tool(t, inToolchain("check-python"), inToolchain("venv/bin/mypy"), "--strict", "--cache-dir", "checked", "inputs.py", "server.py")
}

// The example's module has the SDK of this tree.
func checkGo(t *testing.T) {
	tool(t, inRepo("examples/go-server/go"), "go", "vet", ".")
	tool(t, inRepo("examples/go-server/go"), "go", "vet", inRepo(inputs, "go/main.go"))
}

func checkJava(t *testing.T) {
	var jars []string
	for _, pattern := range []string{"sdk-java/target/*.jar", "maven/com/pulumi/pulumi/*/*.jar", "maven/com/google/code/gson/gson/*/*.jar"} {
		found, err := filepath.Glob(inToolchain(pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		jars = append(jars, found...)
	}
	tool(t, shared.repo, "javac", "-proc:none", "-Xlint:all,-path,-classfile", "-Werror", "-d", t.TempDir(), "-cp", strings.Join(jars, ":"),
		inputs+"/java/App.java", "examples/go-server/java/src/main/java/goserver/App.java")
}

// There is no .NET here: a parser and a look-up of names and kinds stand in for its compiler.
func checkCSharp(t *testing.T) {
	tool(t, shared.toolchain, "node", inRepo(".tools/languages/csharp.mjs"), inRepo("sdk/dotnet"), inRepo(inputs, "dotnet"),
		inRepo("examples/go-server/csharp"))
}

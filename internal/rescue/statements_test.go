package rescue_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The linter forbids Go of sync.WaitGroup and errgroup.Group, and AfterFunc. It cannot forbid go statements: only
// ruleguard could, and only if this module required its DSL. So this test does.
//
// Tests and their harnesses may have go statements, because a panic there ends only a test.
func TestNoBareGoStatement(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"cmd", "provider", "buildkit", "registry", "internal"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(path string, entry fs.DirEntry, err error) error {
			harness := entry.IsDir() && strings.HasSuffix(entry.Name(), "test")
			switch {
			case err != nil:
				return err
			case harness:
				return fs.SkipDir
			case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
				strings.HasSuffix(path, "internal/rescue/rescue.go"):
				return nil
			}
			source, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, place := range goStatements(t, path, source) {
				t.Errorf("%s: a panic in this goroutine would end every operation; "+
					"start it with rescue.Go, GoGroup or GoErrGroup", place)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestGoStatementsAreFound(t *testing.T) {
	t.Parallel()
	const broken = "package p\n\nfunc f() {\n\tg := func() { go f() }\n\tfor range 2 {\n\t\tgo g()\n\t}\n}\n"
	want := []string{"broken.go:4:16", "broken.go:6:3"}
	if got := goStatements(t, "broken.go", []byte(broken)); !slices.Equal(got, want) {
		t.Fatal(got)
	}
}

// goStatements returns the positions of the go statements of a file.
func goStatements(t *testing.T, path string, source []byte) (places []string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if statement, ok := n.(*ast.GoStmt); ok {
			places = append(places, files.Position(statement.Pos()).String())
		}
		return true
	})
	return places
}

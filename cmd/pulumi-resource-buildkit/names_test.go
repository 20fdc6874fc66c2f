package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
)

// participleExceptions are names that end like a participle and are verbs or nouns.
var participleExceptions = []string{
	"embed", "exceed", "feed", "need", "proceed", "seed", "shed", "speed",
	"bring", "encoding", "ping", "ring", "setting", "string", "warning",
}

// packagesWithPlainNames are the folders that TestNames checks.
var packagesWithPlainNames = []string{"buildkit", "cmd", "internal", "provider", "registry"}

// No function is called by a bare participle, and no variable is called is.
func TestNames(t *testing.T) {
	t.Parallel()
	r := readRepository(t)
	for _, name := range r.files {
		folder, _, _ := strings.Cut(name, "/")
		if path.Ext(name) == ".go" && slices.Contains(packagesWithPlainNames, folder) {
			checkNames(t, r.root, name)
		}
	}
}

// checkNames reports the names in a file that say nothing to a reader.
func checkNames(t *testing.T, root fs.FS, name string) {
	t.Helper()
	source, err := fs.ReadFile(root, name)
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if ast.IsGenerated(file) {
		return
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if function, ok := n.(*ast.FuncDecl); ok && isParticiple(function.Name.Name) {
			t.Errorf("%v: the function %s is named by a participle. %s", set.Position(n.Pos()), function.Name.Name,
				participleRemedy)
		}
		for _, variable := range newVariables(n) {
			if variable, ok := variable.(*ast.Ident); ok && variable.Name == "is" {
				t.Errorf("%v: a variable is called is. %s", set.Position(variable.Pos()), variableRemedy)
			}
		}
		return true
	})
}

const (
	participleRemedy = "Name it by a verb for what it does (moveTag), or by a noun for what it returns (digest, " +
		"hasTag). If it is a verb or a noun, add it to participleExceptions"
	variableRemedy = "Call the result of a map, a type assertion or errors.AsType ok. Call any other variable by " +
		"what it says (isDirectory)"
)

// newVariables returns the variables that a node declares itself, without those of the nodes in it.
func newVariables(n ast.Node) (variables []ast.Expr) {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok == token.DEFINE {
			return n.Lhs
		}
	case *ast.RangeStmt:
		return []ast.Expr{n.Key, n.Value}
	case *ast.ValueSpec:
		for _, name := range n.Names {
			variables = append(variables, name)
		}
	case *ast.FuncType:
		for _, parameter := range n.Params.List {
			for _, name := range parameter.Names {
				variables = append(variables, name)
			}
		}
	}
	return variables
}

// isParticiple tells whether a name that is one word ends in ed or ing and is no exception. Exported names are not
// checked, because interfaces of other packages ask for some of them.
func isParticiple(name string) bool {
	if strings.ToLower(name) != name || slices.Contains(participleExceptions, name) {
		return false
	}
	return strings.HasSuffix(name, "ed") || strings.HasSuffix(name, "ing")
}

// The words that people write on purpose pass.
func TestIsParticiple(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"answered": true, "glancing": true, "moveTag": false, "digest": false, "embed": false, "ping": false,
		"Embedded": false, "isClosed": false,
	} {
		if got := isParticiple(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

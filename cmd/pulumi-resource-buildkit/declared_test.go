package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// repository is what the documentation can name: files, folders and the exported declarations of each package.
type repository struct {
	root     fs.FS
	files    []string                   // paths with slashes, of files and folders
	declared map[string]map[string]bool // by folder: Name, Type.Method and Type.Field
	tests    map[string]bool            // functions of test files
	comments map[string]string          // by folder: the package comment
}

// readRepository lists this repository and parses its packages. Generated SDKs and hidden folders do not count.
func readRepository(t *testing.T) *repository {
	t.Helper()
	r := &repository{
		root:     os.DirFS(filepath.Join("..", "..")),
		declared: map[string]map[string]bool{}, tests: map[string]bool{}, comments: map[string]string{},
	}
	err := fs.WalkDir(r.root, ".", func(name string, entry fs.DirEntry, err error) error {
		base := entry.Name()
		hidden := strings.HasPrefix(base, ".") && !slices.Contains([]string{".", ".github", ".tools"}, base)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (hidden || name == "sdk" || name == "bin" || base == "node_modules"):
			return fs.SkipDir
		}
		r.files = append(r.files, name)
		if path.Ext(name) != ".go" {
			return nil
		}
		return r.parse(name)
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// parse adds what the Go file declares. It returns an error if the file is no Go.
func (r *repository) parse(name string) error {
	source, err := fs.ReadFile(r.root, name)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	if strings.HasSuffix(name, "_test.go") {
		for _, declaration := range file.Decls {
			for _, declared := range namesOf(declaration) {
				r.tests[declared] = true
			}
		}
		return nil
	}
	r.add(path.Dir(name), file)
	return nil
}

// add notes the declarations and the package comment of a file that is no test.
func (r *repository) add(folder string, file *ast.File) {
	if r.declared[folder] == nil {
		r.declared[folder] = map[string]bool{}
	}
	if file.Doc != nil && !ast.IsGenerated(file) {
		r.comments[folder] += file.Doc.Text()
	}
	for _, declaration := range file.Decls {
		for _, declared := range namesOf(declaration) {
			r.declared[folder][declared] = true
		}
	}
}

// namesOf returns the names that a declaration declares, methods and fields as Type.Name.
func namesOf(declaration ast.Decl) (names []string) {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		return []string{receiver(d) + d.Name.Name}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, s.Name.Name)
				names = append(names, membersOf(s)...)
			case *ast.ValueSpec:
				for _, name := range s.Names {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}

// receiver returns "Type." for a method, "" for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	for expression := d.Recv.List[0].Type; ; {
		switch e := expression.(type) {
		case *ast.StarExpr:
			expression = e.X
		case *ast.IndexExpr:
			expression = e.X
		case *ast.Ident:
			return e.Name + "."
		default:
			return ""
		}
	}
}

// membersOf returns the fields of a struct and the methods of an interface, each as Type.Name.
func membersOf(s *ast.TypeSpec) (members []string) {
	var list *ast.FieldList
	switch t := s.Type.(type) {
	case *ast.StructType:
		list = t.Fields
	case *ast.InterfaceType:
		list = t.Methods
	}
	if list == nil {
		return nil
	}
	for _, field := range list.List {
		for _, name := range field.Names {
			members = append(members, s.Name.Name+"."+name.Name)
		}
	}
	return members
}

// hasFile tells whether the path exists, seen from the root, from folder or, if it is a bare name, anywhere.
func (r *repository) hasFile(folder, name string) bool {
	name = strings.TrimSuffix(name, "/")
	if slices.Contains(r.files, path.Clean(name)) || slices.Contains(r.files, path.Join(folder, name)) {
		return true
	}
	hasName := func(file string) bool { return strings.HasSuffix(file, "/"+name) }
	return folder == "docs" && slices.ContainsFunc(r.files, hasName)
}

// declares tells whether a name such as Client.Verify, buildkit.Predict or registry.Client.Verify is declared. It
// returns true for a name whose first part is neither a package of ours nor a type: the name belongs to somebody else.
func (r *repository) declares(folder, name string) bool {
	first, rest, _ := strings.Cut(name, ".")
	ours := false
	for in, names := range r.declared {
		if path.Base(in) == first {
			ours = true
			if names[rest] {
				return true
			}
		}
		if (in == folder || folder == "docs") && names[name] {
			return true
		}
	}
	return !ours && !ast.IsExported(first)
}

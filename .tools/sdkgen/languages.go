package main

import (
	"bytes"
	"embed"
	"net/http"
	"regexp"

	"github.com/hashicorp/hcl/v2"
	dotnet "github.com/pulumi/pulumi-dotnet/pulumi-language-dotnet/v3/codegen"
	"github.com/pulumi/pulumi-java/pkg/codegen/java"
	golang "github.com/pulumi/pulumi/pkg/v3/codegen/go"
	"github.com/pulumi/pulumi/pkg/v3/codegen/nodejs"
	"github.com/pulumi/pulumi/pkg/v3/codegen/pcl"
	"github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

const tool = "make sdk"

// language is a language that has an SDK.
type language struct {
	folder  string
	comment string // begins one
	// Whether the version is part of the SDK. Go's is the module's, which a tag gives it.
	versioned bool
	generate  func(*schema.Package) (map[string][]byte, error)
	program   func(*pcl.Program) (map[string][]byte, hcl.Diagnostics, error)
}

var languages = []language{
	{folder: "nodejs", comment: "//", versioned: true, generate: func(pkg *schema.Package) (map[string][]byte, error) {
		return nodejs.GeneratePackage(tool, pkg, nil, nil, false, nil)
	}, program: nodejs.GenerateProgram},
	{folder: "python", comment: "#", versioned: true, generate: generatePython, program: python.GenerateProgram},
	{folder: "go", comment: "//", generate: func(pkg *schema.Package) (map[string][]byte, error) {
		return golang.GeneratePackage(tool, pkg, nil)
	}, program: generateGoProgram},
	{folder: "dotnet", comment: "//", versioned: true, generate: generateDotnet, program: generateDotnetProgram},
	{folder: "java", comment: "//", versioned: true, generate: generateJava, program: generateJavaProgram},
}

// generatePython also puts the README where the generated pyproject.toml expects it.
func generatePython(pkg *schema.Package) (map[string][]byte, error) {
	files, err := python.GeneratePackage(tool, pkg, nil, nil)
	if err != nil {
		return nil, err
	}
	files["README.md"] = files["pulumi_buildkit/README.md"]
	return files, nil
}

//go:embed logo.png
var logo embed.FS

// generateDotnet gives the generator our logo from memory. The generator fetches the package's logo with the default
// HTTP client.
func generateDotnet(pkg *schema.Package) (map[string][]byte, error) {
	transport := &http.Transport{}
	transport.RegisterProtocol("file", http.NewFileTransportFS(logo))
	http.DefaultTransport = transport
	pkg.LogoURL = "file:///logo.png"
	return dotnet.GeneratePackage(tool, pkg, nil, nil)
}

// functionName finds the function getImage and its types, but not those of its members.
var functionName = regexp.MustCompile(`\bbuildkit\.GetImage((?:Output|Args|OutputArgs|Result)?\b)`)

// generateGoProgram corrects the name of the function getImage. In the SDK it is LookupImage, because GetImage reads
// the state of a resource Image.
func generateGoProgram(program *pcl.Program) (map[string][]byte, hcl.Diagnostics, error) {
	files, diagnostics, err := golang.GenerateProgram(program)
	for name, text := range files {
		files[name] = functionName.ReplaceAll(text, []byte("buildkit.LookupImage$1"))
	}
	return files, diagnostics, err
}

// arrayInMap matches an array of one element in a map of mirrors. C# converts it to no immutable array there.
var arrayInMap = regexp.MustCompile(`(Mirrors = \s*\{\s*\{ "[^"]*"), new\[\]\s*\{\s*("[^"]*"),\s*\} \},`)

// generateDotnetProgram corrects the names of classes. The generator expects them in the namespace of the module, and
// takes those of a function's arguments for others.
func generateDotnetProgram(program *pcl.Program) (map[string][]byte, hcl.Diagnostics, error) {
	files, diagnostics, err := dotnet.GenerateProgram(program)
	for name, text := range files {
		text = bytes.ReplaceAll(text, []byte("Buildkit.Index."), []byte("Buildkit."))
		text = arrayInMap.ReplaceAll(text, []byte("$1, System.Collections.Immutable.ImmutableArray.Create($2) },"))
		files[name] = bytes.ReplaceAll(text, []byte("RegistryInputArgs"), []byte("RegistryArgs"))
	}
	return files, diagnostics, err
}

func generateJava(pkg *schema.Package) (map[string][]byte, error) {
	files, err := java.GeneratePackage(tool, pkg, nil, nil, false, false)
	if err != nil {
		return nil, err
	}
	return files, addMaven(files, pkg)
}

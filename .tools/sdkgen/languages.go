package main

import (
	"embed"
	"net/http"

	dotnet "github.com/pulumi/pulumi-dotnet/pulumi-language-dotnet/v3/codegen"
	"github.com/pulumi/pulumi-java/pkg/codegen/java"
	golang "github.com/pulumi/pulumi/pkg/v3/codegen/go"
	"github.com/pulumi/pulumi/pkg/v3/codegen/nodejs"
	"github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

const tool = "make sdk"

type language struct {
	folder string
	// Whether the version is part of the SDK. Go's is the module's, which a tag gives it.
	versioned bool
	generate  func(*schema.Package) (map[string][]byte, error)
}

var languages = []language{
	{folder: "nodejs", versioned: true, generate: func(pkg *schema.Package) (map[string][]byte, error) {
		return nodejs.GeneratePackage(tool, pkg, nil, nil, false, nil)
	}},
	{folder: "python", versioned: true, generate: generatePython},
	{folder: "go", generate: func(pkg *schema.Package) (map[string][]byte, error) {
		return golang.GeneratePackage(tool, pkg, nil)
	}},
	{folder: "dotnet", versioned: true, generate: generateDotnet},
	{folder: "java", versioned: true, generate: generateJava},
}

// generatePython also puts the README where the generated pyproject.toml says that it is.
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

// generateDotnet lends the generator, which fetches the package's logo with the default client, our own from memory.
func generateDotnet(pkg *schema.Package) (map[string][]byte, error) {
	transport := &http.Transport{}
	transport.RegisterProtocol("file", http.NewFileTransportFS(logo))
	http.DefaultTransport = transport
	pkg.LogoURL = "file:///logo.png"
	return dotnet.GeneratePackage(tool, pkg, nil, nil)
}

func generateJava(pkg *schema.Package) (map[string][]byte, error) {
	files, err := java.GeneratePackage(tool, pkg, nil, nil, false, false)
	if err != nil {
		return nil, err
	}
	return files, addMaven(files, pkg)
}

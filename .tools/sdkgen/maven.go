package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"

	"github.com/pulumi/pulumi-java/pkg/codegen/java"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

//go:embed pom.xml.tmpl
var pomText string

var pom = template.Must(template.New("pom.xml").Funcs(template.FuncMap{"split": func(name string) []string {
	return strings.SplitN(name, ":", 2)
}}).Parse(pomText))

// addMaven turns the generated Java code into a Maven project. It adds pom.xml, and plugin.json, which tells the
// language host which plugin the classes need.
func addMaven(files map[string][]byte, pkg *schema.Package) error {
	info, ok := pkg.Language["java"].(*java.PackageInfo)
	if !ok {
		return fmt.Errorf("the generator left %T where the package's settings are expected", pkg.Language["java"])
	}
	var project bytes.Buffer
	if err := pom.Execute(&project, map[string]any{"Package": pkg, "Dependencies": info.Dependencies}); err != nil {
		return err
	}
	plugin, err := json.MarshalIndent(map[string]any{
		"resource": true, "name": pkg.Name, "version": pkg.Version.String(), "server": pkg.PluginDownloadURL,
	}, "", "  ")
	if err != nil {
		return err
	}
	files["pom.xml"] = project.Bytes()
	// Pulumi looks below com/ and nowhere else, whatever the classes' own package is.
	files["src/main/resources/com/pulumibuildkit/buildkit/plugin.json"] = append(plugin, '\n')
	return nil
}

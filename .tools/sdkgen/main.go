// Command sdkgen writes the SDKs of every language from schema.json, with each language's own generator as a library: no network, no
// language toolchain, the same bytes everywhere.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

func main() {
	source := flag.String("schema", "schema.json", "the schema without a version, as the provider serves it")
	out := flag.String("out", "sdk", "folder whose sub-folders, one for each language, are replaced")
	version := flag.String("version", "0.0.0", "semantic version of the SDKs and of the plugin that they ask for")
	flag.Parse()
	if err := run(*source, *out, *version); err != nil {
		fmt.Fprintln(os.Stderr, "sdkgen:", err)
		os.Exit(1)
	}
}

func run(source, out, version string) error {
	text, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	for _, l := range languages {
		pkg, err := bind(text, version, l)
		if err != nil {
			return fmt.Errorf("%s: %w", source, err)
		}
		files, err := l.generate(pkg)
		if err != nil {
			return fmt.Errorf("generate %s: %w", l.folder, err)
		}
		if err := replace(filepath.Join(out, l.folder), files); err != nil {
			return err
		}
	}
	return nil
}

// bind checks the schema. Each language has a package of its own, for generators write into it.
func bind(text []byte, version string, l language) (*schema.Package, error) {
	var spec schema.PackageSpec
	if err := json.Unmarshal(text, &spec); err != nil {
		return nil, err
	}
	if l.versioned {
		spec.Version = version
	}
	pkg, diagnostics, err := schema.BindSpec(spec, nil, schema.ValidationOptions{})
	if err != nil {
		return nil, err
	}
	if diagnostics.HasErrors() {
		return nil, diagnostics
	}
	return pkg, nil
}

// replace makes the folder hold these files and no others.
func replace(folder string, files map[string][]byte) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	for name, text := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // source code is for everybody
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // the same
			return err
		}
	}
	return nil
}

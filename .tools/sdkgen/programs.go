package main

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/blang/semver"
	"github.com/hashicorp/hcl/v2"
	"github.com/pulumi/pulumi/pkg/v3/codegen/hcl2/syntax"
	"github.com/pulumi/pulumi/pkg/v3/codegen/pcl"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

// everyInput returns a program in Pulumi's own language, which the generators translate. It sets every input of every
// resource, function and of the provider, with members of members. It reads every output of a resource, and the texts
// that a function returns.
func everyInput(pkg *schema.Package) string {
	var text strings.Builder
	write := func(name, token string, r *schema.Resource) {
		fmt.Fprintf(&text, "resource %q %q {\n", name, token)
		for _, p := range r.InputProperties {
			fmt.Fprintf(&text, "%s = %s\n", p.Name, value(p.Name, p.Type, p.Secret))
		}
		text.WriteString("}\n")
	}
	write("configured", "pulumi:providers:"+pkg.Name, pkg.Provider)
	for _, r := range pkg.Resources {
		name := strings.ToLower(typeName(r.Token))
		write(name, r.Token, r)
		for _, p := range r.Properties {
			fmt.Fprintf(&text, "output %q { value = %s.%s }\n", outputName(name, p.Name), name, p.Name)
		}
	}
	for _, f := range pkg.Functions {
		name := strings.ToLower(typeName(f.Token))
		arguments := secretCall.ReplaceAllString(object(f.Inputs), "$1") // Python takes no secret in a member of them
		fmt.Fprintf(&text, "%s = invoke(%q, %s)\n", name, f.Token, arguments)
		returned, _ := f.ReturnType.(*schema.ObjectType)
		for _, p := range returned.Properties {
			if p.Type == schema.StringType { // the generator of Go casts maps to types that do not exist
				fmt.Fprintf(&text, "output %q { value = %s.%s }\n", outputName(name, p.Name), name, p.Name)
			}
		}
	}
	return text.String()
}

var secretCall = regexp.MustCompile(`secret\(("[^"]*")\)`)

// outputName returns the name of a stack output: imageDigest for the digest of image.
func outputName(owner, property string) string {
	return owner + strings.ToUpper(property[:1]) + property[1:]
}

// typeName returns the last part of a token: Image for buildkit:index:Image.
func typeName(token string) string { return token[strings.LastIndex(token, ":")+1:] }

// value returns a value of the type. The values of a program need not make sense together.
func value(name string, t schema.Type, secret bool) string {
	switch t := t.(type) {
	case *schema.OptionalType:
		return value(name, t.ElementType, secret)
	case *schema.InputType:
		return value(name, t.ElementType, secret)
	case *schema.ArrayType:
		return "[" + value(name, t.ElementType, secret) + "]"
	case *schema.MapType: // Go takes a map of secrets, Java a secret map: neither
		return "{\n\"key\" = " + value(name, t.ElementType, false) + "\n}"
	case *schema.EnumType:
		return fmt.Sprintf("%q", t.Elements[len(t.Elements)-1].Value)
	case *schema.ObjectType:
		return object(t)
	}
	switch t {
	case schema.BoolType:
		return "true"
	case schema.IntType, schema.NumberType:
		return "1"
	}
	if secret {
		return fmt.Sprintf("secret(%q)", name)
	}
	return fmt.Sprintf("%q", name)
}

// object returns an object with a value for each property.
func object(t *schema.ObjectType) string {
	var text strings.Builder
	text.WriteString("{\n")
	for _, p := range t.Properties {
		fmt.Fprintf(&text, "%s = %s\n", p.Name, value(p.Name, p.Type, p.Secret))
	}
	return text.String() + "}"
}

// translate generates the program in one language.
func translate(
	pkg *schema.Package, text string, generate func(*pcl.Program) (map[string][]byte, hcl.Diagnostics, error),
) (map[string][]byte, error) {
	parser := syntax.NewParser()
	if err := parser.ParseFile(bytes.NewReader([]byte(text)), "main.pp"); err != nil {
		return nil, err
	}
	if parser.Diagnostics.HasErrors() {
		return nil, parser.Diagnostics
	}
	program, diagnostics, err := pcl.BindProgram(parser.Files, pcl.Loader(only{pkg}))
	if err := diagnosticsError(diagnostics, err); err != nil {
		return nil, err
	}
	files, diagnostics, err := generate(program)
	return files, diagnosticsError(diagnostics, err)
}

// diagnosticsError returns err, or else the diagnostics if one of them is an error.
func diagnosticsError(diagnostics hcl.Diagnostics, err error) error {
	if err == nil && diagnostics.HasErrors() {
		return slices.Clip(diagnostics)
	}
	return err
}

// only is a loader of one package.
type only struct{ pkg *schema.Package }

func (o only) LoadPackage(name string, _ *semver.Version) (*schema.Package, error) {
	if name != o.pkg.Name {
		return nil, fmt.Errorf("there is no package %s here", name)
	}
	return o.pkg, nil
}

func (o only) LoadPackageV2(_ context.Context, d *schema.PackageDescriptor) (*schema.Package, error) {
	return o.LoadPackage(d.Name, nil)
}

func (o only) LoadPackageReference(name string, _ *semver.Version) (schema.PackageReference, error) {
	pkg, err := o.LoadPackage(name, nil)
	if err != nil {
		return nil, err
	}
	return pkg.Reference(), nil
}

func (o only) LoadPackageReferenceV2(_ context.Context, d *schema.PackageDescriptor) (schema.PackageReference, error) {
	return o.LoadPackageReference(d.Name, nil)
}

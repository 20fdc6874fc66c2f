package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

// page is a page of Markdown under construction.
type page struct{ text strings.Builder }

// line appends a line.
func (b *page) line(format string, values ...any) { fmt.Fprintf(&b.text, format+"\n", values...) }

// index appends an entry of the table of contents, with a link to each name. Anchors begin with prefix, because an
// input, an output, a type and a setting may have the same name.
func (b *page) index(title, prefix string, names []string) {
	links := make([]string, len(names))
	for i, name := range names {
		links[i] = fmt.Sprintf("[%s](#%s)", name, anchor(prefix, name))
	}
	b.line("- %s: %s", title, strings.Join(links, " · "))
}

// anchor returns the fragment of the heading of a name.
func anchor(prefix, name string) string { return strings.ToLower(prefix + "-" + name) }

// heading appends the heading of a name, under its anchor.
func (b *page) heading(prefix, name string) {
	b.line("### <a id=%q></a>%s\n", anchor(prefix, name), name)
}

// properties appends a section for each property, with its type, default, meaning and example.
func (b *page) properties(prefix string, properties map[string]*schema.Property, examples map[string]string) {
	for _, name := range keys(properties) {
		p := properties[name]
		meaning, value := splitDefault(p.Comment)
		secret := ""
		if p.Secret {
			secret = " · secret"
		}
		value = "default: " + value
		if p.IsRequired() {
			value = "required"
		}
		b.heading(prefix, name)
		b.line("%s%s · %s\n\n%s\n", typeText(p.Type), secret, value, meaning)
		b.line("```yaml\n%s\n```\n", strings.TrimSpace(examples[name]))
	}
}

// outputs appends a section for each output.
func (b *page) outputs(prefix string, properties map[string]*schema.Property, examples map[string]string) {
	for _, name := range keys(properties) {
		b.heading(prefix, name)
		b.line("%s\n\n%s\n", typeText(properties[name].Type), properties[name].Comment)
		b.line("```yaml\n%s\n```\n", strings.TrimSpace(examples[name]))
	}
}

// types appends a section for each type, with the members of an object or the values of an enum.
func (b *page) types(pkg *schema.Package) {
	written := map[string]bool{}
	for _, name := range typeNames(pkg) {
		for _, t := range pkg.Types {
			if nameOf(t) != name || written[name] {
				continue
			}
			written[name] = true
			switch t := t.(type) {
			case *schema.ObjectType:
				b.object(name, t)
			case *schema.EnumType:
				b.enum(name, t)
			}
		}
	}
}

// object appends the section of an object.
func (b *page) object(name string, t *schema.ObjectType) {
	b.heading("type", name)
	b.line("%s\n", t.Comment)
	if len(t.Properties) == 0 {
		b.line("It has no members: write `{}`.\n")
		return
	}
	b.line("| member | type | default | meaning |\n|---|---|---|---|")
	for _, p := range t.Properties {
		meaning, value := splitDefault(p.Comment)
		if p.IsRequired() {
			value = "required"
		}
		b.line("| `%s` | %s | %s | %s |", p.Name, typeText(p.Type), cell(value), cell(meaning))
	}
	b.line("")
}

// enum appends the section of an enum.
func (b *page) enum(name string, t *schema.EnumType) {
	b.heading("type", name)
	if t.Comment != "" {
		b.line("%s\n", t.Comment)
	}
	b.line("| value | meaning |\n|---|---|")
	for _, e := range t.Elements {
		b.line("| `%v` | %s |", e.Value, cell(e.Comment))
	}
	b.line("")
}

// environment appends the table of environment variables. Those of this provider come first.
func (b *page) environment(variables []variable) {
	b.line("| variable | default | meaning | example |\n|---|---|---|---|")
	own := func(v variable) bool { return strings.HasPrefix(v.Name, "PULUMI_BUILDKIT_") }
	variables = slices.Clone(variables)
	slices.SortStableFunc(variables, func(x, y variable) int {
		switch {
		case own(x) == own(y):
			return strings.Compare(x.Name, y.Name)
		case own(x):
			return -1
		}
		return 1
	})
	for _, v := range variables {
		b.line("| `%s` | %s | %s | `%s` |", v.Name, cell(v.Default), cell(v.Meaning), v.Example)
	}
}

// cell returns text that fits into one cell of a table.
func cell(text string) string {
	return strings.NewReplacer("\n", " ", "|", `\|`).Replace(text)
}

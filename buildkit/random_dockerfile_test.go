package buildkit_test

import (
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

var excludeRate = flag.Int(
	"excluding", 4, "one in so many COPY instructions of random Dockerfiles leaves something out",
)

// project is a random build. It has a context, perhaps named contexts, and a Dockerfile in the context or beside it.
type project struct {
	root string // of all its folders
	plan inputs.Plan
}

// sources returns the folders by the names of the oracle's local sources.
func (p project) sources() map[string]string {
	sources := map[string]string{"context": p.plan.Files.Context, "dockerfile": filepath.Dir(p.plan.Files.Dockerfile)}
	for name, dir := range p.plan.Files.Named {
		sources["local-"+name] = dir
	}
	return sources
}

func (d dice) project(root string) project {
	p := project{
		root: root,
		plan: inputs.Plan{Files: inputs.Files{Context: filepath.Join(root, "context"), Named: map[string]string{}}},
	}
	folders := []string{p.plan.Files.Context}
	for _, name := range []string{"lib", "other.name"}[:d.IntN(3)] {
		p.plan.Files.Named[name] = filepath.Join(root, name)
		folders = append(folders, p.plan.Files.Named[name])
	}
	for _, dir := range folders {
		must(os.Mkdir(dir, 0o755))
		d.addEntries(dir, 6+d.IntN(14))
		if d.oneIn(4) {
			must(os.WriteFile(filepath.Join(dir, ".dockerignore"), []byte(d.ignoreFile(dir)), 0o644))
		}
	}
	if d.oneIn(4) {
		must(os.WriteFile(filepath.Join(p.plan.Files.Context, "t.tar"), d.archive(), 0o644))
	}
	d.options(&p)
	return p
}

// options sets random options of the plan, and writes the Dockerfile.
func (d dice) options(p *project) {
	p.plan.Files.Dockerfile = filepath.Join(p.plan.Files.Context, "Dockerfile")
	if d.oneIn(3) {
		must(os.Mkdir(filepath.Join(p.root, "docker"), 0o755))
		p.plan.Files.Dockerfile = filepath.Join(p.root, "docker", "Dockerfile")
	}
	p.plan.Platforms = pick(
		d, nil, nil, []string{"linux/amd64"}, []string{"linux/arm64"}, []string{"linux/amd64", "linux/arm64"},
	)
	if d.oneIn(3) {
		p.plan.BuildArgs = map[string]string{"D": path.Join(d.name(), d.name()), "N": d.name()}
	}
	p.plan.WatchAll = d.oneIn(25)
	if d.oneIn(6) {
		p.plan.Target = "s0"
	}
	must(os.WriteFile(p.plan.Files.Dockerfile, []byte(d.dockerfile(*p)), 0o644))
	if d.oneIn(5) {
		must(os.WriteFile(p.plan.Files.Dockerfile+".dockerignore", []byte(d.ignoreFile(p.plan.Files.Context)), 0o644))
	}
}

// ignoreFile returns a random ignore file for dir.
func (d dice) ignoreFile(dir string) string {
	known := entries(dir)
	var lines []string
	for range 1 + d.IntN(4) {
		target := d.name()
		if len(known) > 0 && d.IntN(4) > 0 {
			target = pick(d, known...)
		}
		pattern := pick(
			d, target, target, target, "/"+target, target+"/", "./"+target, target+"/**", target+"/*",
			"**/"+path.Base(target), "*.go", "**/*.md", "*"+path.Ext(target), "# "+target, "", "  "+target+"  ",
			path.Dir(target), "s?c", "[a-c]", target[:1]+"*", "*/"+path.Base(target),
		)
		if d.oneIn(4) {
			pattern = "!" + pattern
		}
		lines = append(lines, pattern)
	}
	if d.oneIn(8) {
		lines = slices.Insert(lines, 0, pick(d, "*", "**"))
	}
	if len(known) > 0 && d.oneIn(6) { // a folder is left out, taken back in part, and left out again
		taken := pick(d, known...)
		folder := path.Dir(taken)
		lines = append(lines, folder, "!"+taken, pick(d, folder, folder+"*", "**/"+path.Base(folder), "*"))
	}
	text := strings.Join(lines, pick(d, "\n", "\n", "\r\n")) + pick(d, "\n", "")
	if d.oneIn(12) {
		text = "\ufeff" + text
	}
	return text
}

// dockerfile returns a random Dockerfile that begins with scratch. It pulls no image and runs no process.
func (d dice) dockerfile(p project) string {
	w := writer{dice: d, project: p}
	if d.oneIn(8) {
		w.line("# syntax=docker/dockerfile:1")
	}
	if d.oneIn(6) {
		w.line("ARG N=src")
	}
	for stage := range 1 + d.IntN(3) {
		base := "scratch"
		switch {
		case stage > 0 && d.oneIn(4):
			base = fmt.Sprintf("s%d", d.IntN(stage))
		case len(p.plan.Files.Named) > 0 && d.oneIn(8):
			base = "lib"
		}
		w.line("FROM %s AS s%d", base, stage)
		for range 1 + d.IntN(3) {
			w.instruction(stage)
		}
	}
	return w.text.String()
}

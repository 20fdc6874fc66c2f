package buildkit_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
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

type writer struct {
	dice
	project project
	text    strings.Builder
}

func (w *writer) line(format string, args ...any) { fmt.Fprintf(&w.text, format+"\n", args...) }

// instruction writes one instruction that reads from a context, or one that affects the others.
func (w *writer) instruction(stage int) {
	onBuild := ""
	if w.oneIn(20) {
		onBuild = "ONBUILD "
	}
	destination := pick(w.dice, "/out/", "/out/", "/other/", ".", "/deep/er/")
	from, dir := "", w.project.plan.Files.Context
	if named := slices.Sorted(maps.Keys(w.project.plan.Files.Named)); len(named) > 0 && w.oneIn(3) {
		name := pick(w.dice, named...)
		from, dir = " --from="+name, w.project.plan.Files.Named[name]
	}
	switch roll := w.IntN(16); {
	case roll < 8:
		w.line("%sCOPY%s%s %s", onBuild, from, w.flags(dir), w.quote(w.sources(dir), destination))
	case roll == 8:
		w.line(
			"%sADD%s %s", onBuild, pick(w.dice, "", " --link", w.exclude(w.project.plan.Files.Context)),
			w.quote(w.sources(w.project.plan.Files.Context), destination),
		)
	case roll == 9:
		w.line("ADD %s /unpacked/", pick(w.dice, "*.tar", "t*"))
	case roll == 10:
		w.line("ARG D=%s\nCOPY%s $D* /arg/", pick(w.dice, plainNames...), from)
	case roll == 11:
		w.line("ARG TARGETARCH\nCOPY%s ${TARGETARCH}* src* /arch/", from)
	case roll == 12 && stage > 0:
		w.line("COPY --from=s%d%s %s", w.IntN(stage), w.flags(dir), pick(w.dice, "/o* /copied/", "/ /copied/"))
	case roll == 13:
		w.line("ENV P=%s\nWORKDIR /work\nCOPY%s $P* ./", pick(w.dice, plainNames...), from)
	case roll == 14:
		w.line("COPY <<EOF /here\ntext\nEOF")
	default:
		w.line("COPY%s%s . %s", from, w.flags(dir), destination)
	}
}

func (w *writer) flags(dir string) string {
	flags := pick(w.dice, "", "", "", "", "", " --link", " --parents", " --chmod=755", " --chown=1:2")
	if w.oneIn(*excludeRate) {
		flags += w.exclude(dir)
	}
	return flags
}

// exclude returns flags that exclude one to three patterns, some of them with an exception.
func (w *writer) exclude(dir string) (flags string) {
	for range 1 + w.IntN(2)*w.IntN(3) {
		pattern := w.pattern(dir)
		flags += " --exclude=" + pattern
		if w.oneIn(3) {
			exception := pick(w.dice, w.pattern(dir), path.Join(pattern, pick(w.dice, plainNames...)))
			flags += " --exclude=!" + exception
		}
	}
	return flags
}

// pattern returns a pattern for --exclude, which often matches an existing file.
func (w *writer) pattern(dir string) string {
	target := pick(w.dice, plainNames...)
	known := slices.DeleteFunc(
		entries(dir), func(path string) bool { return strings.ContainsAny(path, " \t\n\"\\!$#") },
	)
	if len(known) > 0 && w.IntN(4) > 0 {
		target = pick(w.dice, known...)
	}
	return pick(
		w.dice, target, target, target+"/**", target+"/*", "**/"+path.Base(target), path.Base(target), "/"+target,
		path.Dir(target), "*"+path.Ext(target), "**/*"+path.Ext(target), path.Join("*", path.Base(target)),
		target[:1]+"*", "*.go", "**/*.md", "src/x*", "*", "**",
	)
}

// sources returns one to three paths of dir, some as wildcards. Seldom one of them does not exist. None begins with !:
// BuildKit's client sends nothing for such a path, and COPY then takes files that other instructions asked for.
func (w *writer) sources(dir string) (sources []string) {
	known := slices.DeleteFunc(entries(dir), func(source string) bool {
		_, err := os.Stat(filepath.Join(dir, source))
		return err != nil && !w.oneIn(20) || strings.ContainsAny(source, "\n\"$!")
	})
	for range 1 + w.IntN(2)*w.IntN(3) {
		source := pick(w.dice, plainNames...) + "*"
		if len(known) > 0 {
			source = pick(w.dice, known...)
		}
		escaped := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(source)
		parent, base := path.Dir(source), path.Base(source)
		sources = append(sources, pick(
			w.dice, escaped, escaped, escaped, source, "/"+escaped, "./"+escaped, escaped+"/", parent+"/",
			path.Join(parent, "*"), path.Join(parent, base[:1]+"*"), path.Join(parent, "?"+base[1:]), "*", "**/"+base,
			"../"+escaped, path.Join("*", base),
		))
	}
	return sources
}

// quote returns the sources and the destination in JSON, which allows any name.
func (w *writer) quote(sources []string, destination string) string {
	text, err := json.Marshal(append(sources, destination))
	must(err)
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(text))
}

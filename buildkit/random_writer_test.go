package buildkit_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

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

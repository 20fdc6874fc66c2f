package dockerfile

import (
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"
)

// growing are texts that take the more the larger n is, each in a way of its own.
var growing = map[string]func(n int) string{
	"ENV doubles": func(n int) string { return "FROM base\nENV A=xxxx\n" + strings.Repeat("ENV A=$A$A\n", n) },
	"ARG doubles": func(n int) string { return "FROM base\nARG A=xxxx\n" + strings.Repeat("ARG A=$A$A\n", n) },
	"global doubles": func(n int) string {
		return "ARG A=xxxx\n" + strings.Repeat("ARG A=$A$A\n", n) + "FROM base\n"
	},
	"ENV grows":        func(n int) string { return "FROM base\nENV P=x\n" + strings.Repeat("ENV P=$P:x\n", n) },
	"relative WORKDIR": func(n int) string { return "FROM base\n" + strings.Repeat("WORKDIR a\n", n) },
	"many variables": func(n int) string {
		return "FROM base\n" + numberLines(n, "ENV A%d=x\n") + strings.Repeat("RUN x\n", n/4)
	},
	"undefined": func(n int) string { return "FROM base\n" + numberLines(n, "RUN $UNDEFINED%d\n") },
	"long undefined": func(n int) string {
		return "FROM base\nENV " + strings.Repeat("N", n) + "=1\nRUN $" + strings.Repeat("M", n)
	},
	"warnings": func(n int) string { return "FROM scratch\n" + strings.Repeat("ENV A $B\n", n) },
	"stages":   func(n int) string { return strings.Repeat("FROM scratch\n", n) },
	"chain of stages": func(n int) string {
		return "FROM base AS s\n" + strings.Repeat("FROM s AS s\nENV A=1\nRUN x\n", n)
	},
	"copies of stages": func(n int) string {
		return "FROM base AS s0\n" + numberLines(n, "FROM s0 AS t%[1]d\nCOPY --from=s0 a b\n")
	},
	"COPY of many":     func(n int) string { return "FROM base\nCOPY " + strings.Repeat("a ", n) + "/b/\n" },
	"ADD of many URLs": func(n int) string { return "FROM base\nADD " + strings.Repeat("https://x.y/z ", n) + "/b/\n" },
	"COPY excludes": func(n int) string {
		return "FROM base\nCOPY " + strings.Repeat("--exclude=a ", n) + strings.Repeat("a ", n) + "/b/\n"
	},
	"mounts": func(n int) string {
		return "FROM base\nRUN " + strings.Repeat("--mount=type=cache,target=a ", n) + "x\n"
	},
	"EXPOSE of ranges": func(n int) string { return "FROM base\n" + strings.Repeat("EXPOSE 1-65535\n", n) },
	"EXPOSE of a value": func(n int) string {
		return "FROM base\nARG P=\"" + strings.Repeat("1-65535 ", n) + "\"\nEXPOSE $P\n"
	},
	"long SHELL": func(n int) string {
		return "FROM base\nSHELL [\"" + strings.Repeat("s", n) + "\"]\n" + strings.Repeat("RUN x\nCMD x\n", n/8)
	},
	"long USER": func(n int) string {
		return "FROM base\nUSER " + strings.Repeat("u", n) + "\n" + strings.Repeat("COPY a a a a a\n", n/8)
	},
	"labels":       func(n int) string { return "FROM base\nLABEL " + numberLines(n, "l%d=$B ") + "\n" },
	"one long RUN": func(n int) string { return "FROM base\nRUN " + strings.Repeat("echo $B \\\n", n) + "x\n" },
	"heredocs": func(n int) string {
		return "FROM base\nCOPY " + numberLines(n, "<<E%d ") + "/\n" + numberLines(n, "$B\nE%d\n")
	},
	"long heredoc": func(n int) string { return "FROM base\nRUN <<E\n" + strings.Repeat("xxxxxxx\n", n) + "E\n" },
	"nested modifiers": func(n int) string {
		return "FROM base\nENV A=" + strings.Repeat("${a:-", n) + strings.Repeat("}", n) + "\n"
	},
	"patterns": func(n int) string {
		return "FROM base\nENV A=" + strings.Repeat("x", n) + "\nENV B=${A%" + strings.Repeat("*x", n) + "}\n"
	},
	"replacements": func(n int) string {
		return "FROM base\nENV A=" + strings.Repeat("x", n) + "\nENV B=${A//x/" + strings.Repeat("y", n) + "}\n"
	},
	"comments": func(n int) string { return strings.Repeat("# check=skip=all\n", n) + "FROM base\n" },
	"unknown":  func(n int) string { return "FROM base\n" + strings.Repeat("a\n", n) },
	"args in history": func(n int) string {
		return "FROM base\n" + numberLines(n, "ARG A%d=x\n") + strings.Repeat("RUN x\n", n/4)
	},
	"continued lines": func(n int) string { return "FROM base\nRUN x" + strings.Repeat("\\\n\n", n) + "x\n" },
	"JSON of many":    func(n int) string { return "FROM base\nVOLUME [" + strings.Repeat("\"$B\",", n) + "\"x\"]\n" },
	"many USER flags": func(n int) string {
		return "FROM base\nCOPY --chown=$B --chmod=$B " + strings.Repeat("$B ", n) + "/b/\n"
	},
	"platform of FROM": func(n int) string {
		return "ARG P=linux/amd64\n" + strings.Repeat("FROM --platform=$P base\n", n)
	},
	"unused global ARG": func(n int) string {
		return numberLines(n, "ARG A%d=x\n") +
			strings.Repeat("FROM base$X\n", n)
	},
	"HEALTHCHECK": func(n int) string {
		return "FROM base\n" + strings.Repeat("HEALTHCHECK CMD x\nCMD x\nENTRYPOINT x\n", n)
	},
}

func numberLines(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// What is just small enough for this process takes no more than the bound says, whatever it is that grows.
func TestBoundHoldsAtItsEdge(t *testing.T) { //nolint:paralleltest // it counts what this process allocates
	measuresMemory(t)
	if testing.Short() {
		t.Skip("NOT TESTED: -short leaves out what takes long")
	}
	for name, text := range growing { //nolint:paralleltest // the same
		for _, dry := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, dry %v", name, dry), func(t *testing.T) {
				of := func(n int) *stub {
					s := greedy(text(n))
					if dry {
						s = newStub(text(n))
					}
					s.source.Dry = dry
					return s
				}
				n := sort.Search(1<<15, func(n int) bool {
					s := of(n)
					return s.source.CheckSize() != nil || !boundOf(s.source, s.BuildOpts()).isSmall()
				}) - 1
				if n < 1 {
					t.Fatal("nothing of it is small")
				}
				start := time.Now()
				ratio := holdsBound(t, of(n))
				t.Logf("%d: %.2f of the bound, %s", n, ratio, time.Since(start))
			})
		}
	}
}

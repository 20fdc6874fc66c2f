package dockerfile

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/builder"
)

// holdsBound runs the frontend on a text with a small bound, in this process, and returns what it allocated for each
// byte of the bound. It fails the test when the frontend takes more than the bound says.
func holdsBound(t testing.TB, s *stub) float64 {
	t.Helper()
	b := boundOf(s.source, s.BuildOpts())
	if !b.isSmall() {
		return 0
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	_, err := builder.Build(t.Context(), s)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	const once = 4 << 20 // what every run takes
	allocated := int64(after.TotalAlloc - before.TotalAlloc)
	if allocated > b.cost+once || took > 30*time.Second {
		t.Fatalf("the frontend allocated %d bytes in %s, and the bound says %d (%v):\n%.2000q",
			allocated, took, b.cost, err, s.source.Text)
	}
	if err != nil {
		return -1
	}
	return float64(allocated) / float64(b.cost+once)
}

func TestBoundHoldsAtRandom(t *testing.T) { //nolint:paralleltest // it counts what this process allocates
	measuresMemory(t)
	r := rand.New(rand.NewPCG(1, 2)) // FuzzBound goes further
	worst, small, built := 0.0, 0, 0
	const rounds = 400
	for range rounds {
		text := randomDockerfile(r)
		for _, s := range []*stub{newStub(text), greedy(text)} {
			s.source.Dry = len(s.config.Env) == 0
			if ratio := holdsBound(t, s); ratio != 0 {
				small++
				if ratio > 0 {
					built++
				}
				worst = max(worst, ratio)
			}
		}
	}
	if built < small/4 {
		t.Errorf("of %d only %d came to their end", small, built)
	}
	t.Logf("%d of %d were small, %d came to their end; the worst took %.2f of its bound", small, 2*rounds, built, worst)
}

// randomDockerfile is made of what grows: references, modifiers, relative folders, many operands.
func randomDockerfile(r *rand.Rand) string {
	var b strings.Builder
	b.WriteString(pick(r, "", "", "# escape=`\n", "ARG G=xx\n", "ARG G=xx\nARG G=$G$G$G\n"))
	b.WriteString("FROM " + pick(r, "scratch", "base", "base AS s0") + "\n")
	size := 1 << r.IntN(9)
	for i := range r.IntN(size) + 1 {
		for range pick(r, 1, 1, 1, 5, 30) {
			b.WriteString(randomInstruction(r, i) + "\n")
		}
	}
	return b.String()
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func randomInstruction(r *rand.Rand, i int) string {
	word := func() string { return randomWord(r) }
	return pick(r,
		"ENV A="+word(),
		fmt.Sprintf("ENV A%d=%s C=%s", r.IntN(50), word(), word()),
		"ENV A "+word()+" "+word(),
		"ARG A="+word(),
		"ARG G\nARG C",
		"WORKDIR "+word(),
		"USER "+word(),
		"LABEL l="+word()+" "+word()+"="+word(),
		"RUN echo "+word()+" "+word(),
		"RUN --mount=type=cache,target="+word()+" --mount=type=bind,target=x,source="+word()+" echo",
		"RUN <<E\n"+word()+"\n"+word()+"\nE",
		"COPY "+strings.Repeat(word()+" ", 1+r.IntN(20))+" "+word()+"/",
		"COPY [\"a\", \""+pick(r, "b", "$A")+"\"]",
		"COPY <<E "+word()+"\n"+word()+"\nE",
		"ADD https://example.com/"+word()+" https://example.com/x "+word()+"/",
		"EXPOSE "+pick(r, "80", "1-1000", "$A", "$G")+" 81",
		"VOLUME "+word(),
		"SHELL [\"a\", \""+strings.Repeat("s", r.IntN(500))+"\"]",
		"CMD "+word(),
		"ENTRYPOINT "+word(),
		"HEALTHCHECK CMD "+word(),
		"STOPSIGNAL 9",
		fmt.Sprintf("FROM scratch AS s%d", i),
		fmt.Sprintf("FROM base AS s%d", i),
		fmt.Sprintf("FROM s%d", r.IntN(i+1)),
		fmt.Sprintf("COPY --from=s%d --chown=%s %s /", r.IntN(i+1), word(), word()),
	)
}

func randomWord(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(3) + 1 {
		if r.IntN(300) == 0 {
			b.WriteString(pick(r, "${A//x/zz}", "${B//?/yyy}", "${A/x/$C}", "${C//x/${A//y/z}}",
				"${A#\"$B\"}", "${B##*x}"))
			continue
		}
		b.WriteString(pick(r, "x", "a/b", "/x", strings.Repeat("y", r.IntN(200)), "é", "'$B'", "\"$C\"", "\\$A",
			"a", "b", "c", "d", "e", "$A", "${A}", "$B", "$C", "$G", "${C:-$B}", "${C:+${C}}", "${A%x*}",
			"${undefined}", "$"+strings.Repeat("n", r.IntN(100)), "$A0", "${A1}"))
	}
	return b.String()
}

func FuzzBound(f *testing.F) {
	f.Add("FROM scratch\nENV A=x B=$A\nENV A=$A$B\nRUN echo ${A//x/y} $1\n", true)
	f.Add("ARG V=1\nFROM base:$V AS a\nWORKDIR $V/b\nCOPY --chown=$U a b ./\nFROM a\nEXPOSE $V 1-9\n", false)
	f.Add("# check=error=true\nFROM scratch\nCOPY <<E a\n$A\nE\nRUN <<E\necho $B\nE\n", false)
	f.Add("FROM scratch\nSHELL [\"a\"]\nLABEL a=\"$A\" b=${A%%x}\nADD [\"a\", \"b\"]\n", true)
	f.Fuzz(func(t *testing.T, text string, dry bool) {
		s := greedy(text)
		if dry {
			s = newStub(text)
		}
		s.source.Dry = dry
		holdsBound(t, s)
	})
}

package dockerfile

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/builder"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/errdefs"
)

// big at the beginning makes a text too big for this process, and changes nothing else.
const big = "FROM scratch AS unused\nEXPOSE 1-65535 1-65535 1-65535 1-65535 1-65535 1-65535 1-65535\n"

func TestChildReturnsWhatTheFrontendReturns(t *testing.T) {
	t.Parallel()
	resolvesSideBySide(t)
	const text = "FROM base AS a\nENV A=1\nRUN x\nFROM a\nCOPY --from=a x y\n"
	type buildFunc func(*stub) (*gateway.Result, error)
	run := func(platform string, build buildFunc) (meta map[string]string, refs int, solved []string) {
		s := newStub(text)
		s.options["platform"] = platform
		result, err := build(s)
		if err != nil {
			t.Fatal(err)
		}
		meta = map[string]string{}
		for key, value := range result.Metadata {
			meta[key] = string(value)
		}
		for _, ref := range result.Refs {
			if _, ok := ref.(*stubRef); ok {
				refs++
			}
		}
		if _, ok := result.Ref.(*stubRef); ok {
			refs++
		}
		return meta, refs, s.solved
	}
	for platform, want := range map[string]int{"linux/amd64": 1, "linux/amd64,linux/arm64": 2} {
		meta, refs, solved := run(platform, func(s *stub) (*gateway.Result, error) {
			return builder.Build(t.Context(), s)
		})
		childMeta, childRefs, childSolved := run(platform, func(s *stub) (*gateway.Result, error) {
			return runChild(t.Context(), s, s.source)
		})
		if !maps.Equal(meta, childMeta) || refs != want || childRefs != want || !slices.Equal(solved, childSolved) {
			t.Errorf("%s: here %v %d %v, in a child %v %d %v", platform, meta, refs, solved, childMeta,
				childRefs, childSolved)
		}
	}
}

// An error of the frontend keeps its place in the Dockerfile.
func TestChildReturnsTheErrorOfTheFrontend(t *testing.T) {
	t.Parallel()
	resolvesSideBySide(t)
	s := newStub("FROM base\nCOPY --from=9 a b\n")
	_, here := builder.Build(t.Context(), s)
	_, child := runChild(t.Context(), s, s.source)
	if here == nil || child == nil || !strings.Contains(child.Error(), "invalid stage index 9") {
		t.Fatalf("here %v, in a child %v", here, child)
	}
	lines := func(err error) (all []int32) {
		for _, source := range errdefs.Sources(err) {
			for _, r := range source.GetRanges() {
				all = append(all, r.GetStart().GetLine())
			}
		}
		return all
	}
	if !reflect.DeepEqual(lines(here), lines(child)) {
		t.Errorf("here lines %v, in a child %v", lines(here), lines(child))
	}
}

// budgetCase is a case of TestBudget.
type budgetCase struct{ name, text, want string }

// budgetCases are the cases of TestBudget.
var budgetCases = []budgetCase{
	{
		"ENV",
		"FROM scratch\nENV A=xxxxxxxxxxxxxxxx\n" + strings.Repeat("ENV A=$A$A\n", 34),
		`("ENV A=$A$A"): the Dockerfile frontend needs more than 256 MiB`,
	},
	{
		"ARG",
		"FROM scratch\nARG A=xxxxxxxxxxxxxxxx\n" + strings.Repeat("ARG A=$A$A\n", 34),
		`("ARG A=$A$A"): the Dockerfile frontend needs more than 256 MiB`,
	},
	{
		"global ARG",
		"ARG A=xxxxxxxxxxxxxxxx\n" + strings.Repeat("ARG A=$A$A\n", 34) + "FROM scratch\n",
		`("ARG A=$A$A"): the Dockerfile frontend needs more than`,
	},
	{
		"WORKDIR",
		"FROM scratch\n" + strings.Repeat("WORKDIR a\n", 49_000),
		`("WORKDIR a"): the Dockerfile frontend needs more than`,
	},
	{
		"ENV that grows",
		"FROM scratch\nENV P=x\n" + strings.Repeat("ENV P=$P:x\n", 49_000),
		`("ENV P=$P:x"): the Dockerfile frontend needs more than`,
	},
	{
		"patterns",
		"FROM scratch\nENV A=" + strings.Repeat("x", 60_000) + "\nENV B=${A%" + strings.Repeat("*x",
			30_000) + "}\n",
		`line 3 ("ENV B=${A%*x`,
	},
	{
		"replacements",
		"FROM scratch\nENV A=" + strings.Repeat("x", 60_000) + "\nENV B=${A//x/" + strings.Repeat("y",
			60_000) + "}\n",
		`line 3 ("ENV B=${A//x/yyy`,
	},
	{
		"lines",
		strings.Repeat("\n", lineLimit+1) + "FROM scratch\n",
		"the Dockerfile has 50014 bytes in 50002 lines: 1048576 bytes in 50000 lines are the most",
	},
	{
		"bytes",
		"FROM scratch\n#" + strings.Repeat(strings.Repeat("x", 999)+"\n#", 1100),
		"1048576 bytes in 50000 lines are the most",
	},
}

func TestBudget(t *testing.T) {
	measuresMemory(t)
	t.Parallel()
	for _, c := range budgetCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStub(c.text)
			start := time.Now()
			_, err := Run(t.Context(), s, s.source)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			// Two cases run at a time, and the others wait for them.
			if took := time.Since(start); took > 60*cpuLimit {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// What a base image adds counts as well.
func TestBudgetOfBaseImages(t *testing.T) {
	measuresMemory(t)
	t.Parallel()
	for name, hostile := range map[string]func(*stub){
		"ONBUILD": func(s *stub) {
			s.config.OnBuild = append(slices.Repeat([]string{"ENV B=xxxxxxxxxxxxxxxx$B$B"}, 34), "RUN $B")
		},
		"ENV": func(s *stub) { s.config.Env = []string{"B=" + strings.Repeat("x", 8<<20)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStub("FROM base\n" + strings.Repeat("ENV A=$B$B$B$B$B$B\nRUN $B$A\n", 4))
			hostile(s)
			_, err := Run(t.Context(), s, s.source)
			if e := new(BudgetError); !errors.As(err, &e) || !e.Bases {
				t.Errorf("got %v", err)
			}
		})
	}
	s := newStub("FROM base\nRUN x\n")
	s.config.OnBuild = []string{"RUN y"} // a harmless one
	result, err := Run(t.Context(), s, s.source)
	if err != nil || result.Ref == nil {
		t.Errorf("got %v, %v", result, err)
	}
}

func TestWarningsAreFew(t *testing.T) {
	t.Parallel()
	warnings := strings.Repeat("ENV A $B\n", warningLimit)
	for _, text := range []string{
		"FROM scratch\n" + warnings,
		big + "FROM scratch\n" + warnings,
	} { // in this process, in a child
		s := newStub(text)
		if _, err := Run(t.Context(), s, s.source); err != nil {
			t.Fatal(err)
		}
		if s.warned != warningLimit+1 || s.last != "the Dockerfile has more warnings: only the first 100 are shown" {
			t.Errorf("%d warnings came through, the last: %s", s.warned, s.last)
		}
		s.warned, s.source.Dry = 0, true
		if _, err := runChild(t.Context(), s, s.source); err != nil || s.warned != 0 {
			t.Errorf("%d warnings of a dry run came through, %v", s.warned, err)
		}
	}
}

func TestCancelEndsTheChild(t *testing.T) {
	t.Parallel()
	s := newStub(big + "FROM scratch\nRUN x\n")
	reason := errors.New("canceled by the test")
	ctx, cancel := context.WithCancelCause(t.Context())
	stuck := &stuckGateway{stub: s, asked: func() { cancel(reason) }}
	if _, err := Run(ctx, stuck, s.source); !errors.Is(err, reason) {
		t.Errorf("got %v", err)
	}
}

// stuckGateway never answers.
type stuckGateway struct {
	*stub
	asked func()
}

func (s *stuckGateway) Solve(ctx context.Context, _ gateway.SolveRequest) (*gateway.Result, error) {
	s.asked()
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// A panic of the gateway ends the call, and a program that does not know the argument of the child starts no more of
// itself.
func TestChildSurvivesNothingForeign(t *testing.T) {
	s := newStub(big + "FROM scratch\nRUN x\n")
	panicking := &panickingGateway{stub: s}
	if _, err := runChild(t.Context(), panicking, s.source); err == nil ||
		!strings.Contains(err.Error(), "bug of the provider") {
		t.Errorf("got %v", err)
	}
	t.Setenv(childVariable, "1")
	if _, err := runChild(t.Context(), s, s.source); err == nil ||
		!strings.Contains(err.Error(), "does not know this argument") {
		t.Errorf("got %v", err)
	}
}

type panickingGateway struct{ *stub }

func (panickingGateway) Solve(context.Context, gateway.SolveRequest) (*gateway.Result, error) {
	panic("in the gateway")
}

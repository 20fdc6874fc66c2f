//go:build linux

package reliability

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
)

var (
	whole    = flag.Bool("whole", false, "run every case, not a sample")
	sample   = flag.Int("sample", 16, "how many cases to run without -whole")
	seed     = flag.Uint64("seed", 1, "the seed of the sample")
	names    = flag.String("scenarios", "", "a regular expression of the scenarios to run")
	only     = flag.String("only", "", "a regular expression of the cases to run")
	finished = flag.String("finished", "", "a file of finished cases: they are left out, and others are added")
	replay   = flag.String("replay", "", "one case to run, as a violation shows it")
	workers  = flag.Int("workers", 2, "how many cases run at the same time")
)

// timeouts replaces those of the plugin: for a request, for a push without progress, before each further try.
const timeouts = "1s 3s 50ms"

// TestEverySingleFailure makes each event of each scenario fail once, and judges what is left.
//
//	go test ./test/reliability -run TestEverySingleFailure -whole -finished cases.txt -timeout 5h
//	go test ./test/reliability -run TestEverySingleFailure -replay "update registry 17 lose-answer"
func TestEverySingleFailure(t *testing.T) {
	t.Parallel()
	daemontest.SkipWithoutDaemon(t)
	programs := buildPrograms(t)
	open := func() *world {
		w, err := newWorld(context.Background(), programs, "../../.cache/fixtures")
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	first := open()
	cases := chooseCases(t, first)
	queue := make(chan testCase)
	h := &harness{t: t, log: openLog(t)}
	var running sync.WaitGroup
	for i := range *workers {
		running.Go(func() {
			w := first
			if i > 0 {
				w = open()
			}
			for c := range queue {
				h.run(w, c)
			}
			if err := w.close(); err != nil {
				t.Error(err)
			}
		})
	}
	for _, c := range cases {
		queue <- c
	}
	close(queue)
	running.Wait()
	h.summarize()
}

// buildPrograms returns a folder with the plugin, which has short timeouts, and the programs beside it.
func buildPrograms(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, ".cache/reliability")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -X 'main.timeouts="+timeouts+"'", "-o", dir+"/", "./cmd/pulumi-resource-buildkit")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	for _, program := range []string{"pulumi-buildkit-network", "pulumi-buildkit-builder", "buildkitd", "runc",
		"rootlesskit", "registry"} {
		link := filepath.Join(dir, program)
		if err := os.Symlink(filepath.Join(root, "bin", program), link); err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
	}
	return dir
}

// chooseCases returns the cases to run: one, a sample, or all that are not finished.
func chooseCases(t *testing.T, w *world) []testCase {
	t.Helper()
	if *replay != "" {
		c, err := parseCase(*replay)
		if err != nil {
			t.Fatal(err)
		}
		return []testCase{c}
	}
	chosen, wanted := regexp.MustCompile("^("+*names+")"), regexp.MustCompile(*only)
	done := readFinished(t)
	var cases []testCase
	for _, s := range scenarios {
		if !chosen.MatchString(s.name) {
			continue
		}
		all, err := w.casesOf(t.Context(), s, wanted)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d requests, %d cases", s.name, len(w.snapshots[s.name].requests), len(all))
		cases = append(cases, slices.DeleteFunc(all, func(c testCase) bool { return done[c.String()] })...)
	}
	if !*whole {
		shuffle := rand.New(rand.NewPCG(*seed, 0)).Shuffle
		shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
		cases = cases[:min(*sample, len(cases))]
	}
	return cases
}

// casesOf returns every case of a scenario that the expression matches. It runs the scenario without a fault.
func (w *world) casesOf(ctx context.Context, s scenario, wanted *regexp.Regexp) (cases []testCase, err error) {
	if err := w.ready(ctx, s); err != nil {
		return nil, err
	}
	for i := range w.snapshots[s.name].quiet["registry"] {
		for _, fault := range slices.Concat(registryFaults, killFaults) {
			c := testCase{scenario: s.name, point: "registry", at: i + 1, fault: fault}
			if wanted.MatchString(c.String()) && applies(fault, s.last.command, w.snapshots[s.name].requests[i]) {
				cases = append(cases, c)
			}
		}
	}
	return cases, nil
}

// harness collects the results of the cases.
type harness struct {
	t   *testing.T
	log *os.File // nil: results are not kept

	mu                             sync.Mutex
	count, missed, survived, broke int
	began                          time.Time
}

// run runs one case in the world and reports a violation.
func (h *harness) run(w *world, c testCase) {
	ctx := context.WithoutCancel(h.t.Context())
	s, err := scenarioNamed(c.scenario)
	if err == nil {
		err = w.ready(ctx, s)
	}
	var r result
	if err == nil {
		r, err = w.meet(ctx, s, c)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count++
	switch {
	case err != nil:
		h.broke++
		h.t.Errorf("%s: the harness failed: %v", c, err)
		return
	case len(r.broken) > 0:
		h.broke++
		h.t.Errorf("%s\nat %s\nof %d: %s\nRun it again with -replay %q", c, r.hit,
			len(w.snapshots[s.name].quiet[c.point]), strings.Join(r.broken, "\n  "), c.String())
		return
	case r.hit == "":
		h.missed++
	case r.survived:
		h.survived++
	}
	if h.log != nil {
		_, _ = fmt.Fprintln(h.log, c)
	}
}

func (h *harness) summarize() {
	h.t.Logf("%d cases: %d violations; in %d the command survived the fault, in %d there was nothing for it to meet",
		h.count, h.broke, h.survived, h.missed)
}

//go:build linux

package reliability

import (
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
)

var (
	whole    = flag.Bool("whole", false, "run every case, not a sample")
	seed     = flag.Uint64("seed", 1, "the seed of the sample")
	kindsOf  = flag.String("kinds", "", "a regular expression of the kinds to run: engine, cli, messages, files")
	names    = flag.String("scenarios", "", "a regular expression of the scenarios to run")
	only     = flag.String("only", "", "a regular expression of the cases to run")
	finished = flag.String("finished", "", "a file of finished cases: they are left out, and others are added")
	keep     = flag.Bool("keep", false, "leave out finished cases of another build of the plugin, too")
	replay   = flag.String("replay", "", "one case to run, as a violation shows it")
	list     = flag.Bool("list", false, "show the events of an undisturbed run")
	workers  = flag.Int("workers", 2, "how many cases run at the same time")
	limit    = flag.Duration("limit", 0, "how long cases are begun; 0: until all have run")
)

// timeouts replaces those of the plugin: for a request, for a push without progress, before each further try, and for a
// sign of life of the daemon.
const timeouts = "1s 3s 50ms 3s"

// patientTimeouts are those of the plugin in the folder patientFolder, which runs a command that nothing fails in. A
// registry that a busy machine lets wait for 3 s is not silent.
const (
	patientTimeouts = "15s 45s 50ms 45s"
	patientFolder   = "patient"
)

// TestEverySingleFailure makes each event of each scenario fail once, and judges what is left.
//
//	go test ./test/reliability -run TestEverySingleFailure -whole -finished cases.txt -timeout 5h
//	go test ./test/reliability -run TestEverySingleFailure -replay "update registry 17 lose-answer"
func TestEverySingleFailure(t *testing.T) {
	t.Parallel()
	daemontest.SkipWithoutDaemon(t)
	h := &harness{t: t, programs: buildPrograms(t), tallies: map[batchName]*tally{}}
	if *replay != "" {
		c, err := parseCase(*replay)
		if err != nil {
			t.Fatal(err)
		}
		h.work([]batch{{kind: c.kind(), scenario: c.scenario, cases: []testCase{c}}})
		if h.total().missed > 0 {
			t.Errorf("%s: there was nothing for it to meet", c)
		}
		return
	}
	h.log = openLog(t, h.programs)
	if *limit > 0 {
		h.end = time.Now().Add(*limit)
	}
	h.work(h.choose())
	h.summarize()
}

// sampled is how many scenarios of a kind are in the sample, and how many cases of each.
var sampled = map[kind]struct{ scenarios, cases int }{
	plainEngine: {2, 4}, realCLI: {1, 1}, messageFaults: {1, 4}, fileFaults: {1, 3},
}

// choose returns what to run: all, or a sample that the seed decides.
func (h *harness) choose() (batches []batch) {
	random := rand.New(rand.NewPCG(*seed, 0))
	wanted, chosen := regexp.MustCompile("^("+*kindsOf+")"), regexp.MustCompile("^("+*names+")")
	for _, k := range kinds {
		all := k.scenarios()
		order := random.Perm(len(all))
		if !*whole {
			order = order[:min(sampled[k].scenarios, len(order))]
		}
		for _, i := range order {
			if wanted.MatchString(string(k)) && chosen.MatchString(all[i].name) {
				batches = append(batches, batch{kind: k, scenario: all[i].name})
			}
		}
	}
	return batches
}

// buildPrograms returns a folder with the plugin, which has short timeouts, and the programs beside it. Its folder
// patientFolder has the same with longer ones.
func buildPrograms(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, ".cache/reliability")
	buildProgramsWith(t, root, dir, timeouts)
	buildProgramsWith(t, root, filepath.Join(dir, patientFolder), patientTimeouts)
	return dir
}

// buildProgramsWith puts a plugin with these timeouts into dir, and links to the programs of root beside it.
func buildProgramsWith(t *testing.T, root, dir, timeouts string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -X 'main.timeouts="+timeouts+"'", "-o", dir+"/", "./cmd/pulumi-resource-buildkit")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	for _, program := range []string{"pulumi", "pulumi-language-yaml", "pulumi-buildkit-network",
		"pulumi-buildkit-builder", "pulumi-buildkit-mounts", "buildkitd", "runc", "rootlesskit", "registry"} {
		link := filepath.Join(dir, program)
		if err := os.Symlink(filepath.Join(root, "bin", program), link); err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
	}
}

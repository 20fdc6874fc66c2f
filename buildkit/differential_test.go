package buildkit_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

var (
	differentialCases = flag.Int("differential", 60, "cases of the differential test")
	differentialSeed  = flag.Uint64("seed", 20260819, "seed of its first case; case n has the seed plus n")
)

const (
	// caseLimit is how long one case may take.
	caseLimit = time.Minute
	// imageEvery says that each fifth case compares the images too.
	imageEvery = 5
)

// verdict is the result of one case.
type verdict struct {
	kind    string // counted
	text    string // why the case failed; "" if it did not
	emptied bool   // BuildKit's own client would have sent a file without its content: see recordingFS
}

// The daemon builds random projects before and after one random change, with its own frontend and BuildKit's own way to
// send files. The hash must change if and only if the files that BuildKit received change. It may change for more if
// whole contexts were hashed. The test counts each such case by its reason.
func TestHashChangesIffWhatBuildKitReceivesDoes(t *testing.T) {
	t.Parallel()
	d := differential{c: daemonClient(t), registry: registrytest.New(t)}
	t.Logf("-differential=%d -seed=%d", *differentialCases, *differentialSeed)
	counts, failures := d.run(t.Context(), t.TempDir(), *differentialSeed, *differentialCases)
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%5d %s", counts[kind], kind)
	}
	for i, text := range failures {
		if i >= 5 { // enough to read; the others can be had by their seeds
			text, _, _ = strings.Cut(text, "\n")
		}
		t.Error(text)
	}
	if built := *differentialCases - counts[kindSkipped]; *differentialCases >= 100 && built < *differentialCases/2 {
		t.Errorf("only %d of %d cases could be built: the generator is of no use", built, *differentialCases)
	}
}

// Kinds of cases.
const (
	kindSame      = "equal to BuildKit, hash equal"
	kindDiffers   = "differs to BuildKit, hash differs"
	kindNeedless  = "equal to BuildKit, hash differs: "
	kindSkipped   = "skipped: cannot be built before or after the change"
	kindUnchanged = "equal to BuildKit, hash equal: the change could not be made"
	kindExcluded  = "differs to BuildKit in what COPY leaves out: image equal, hash equal"
	kindFailed    = "FAILED"
	kindMissed    = "FAILED: differs to BuildKit, hash equal"
	kindRefused   = "BuildKit does not look at an ignore file that cannot be understood, we might have to"
	kindEmptied   = "of them with a file that BuildKit's own client would have sent empty"
)

type differential struct {
	c        *client.Client
	registry *registrytest.Registry
}

func (d differential) run(ctx context.Context, dir string, seed uint64, cases int) (map[string]int, []string) {
	var mu sync.Mutex
	var group sync.WaitGroup
	counts, failures, next := map[string]int{}, []string{}, make(chan int)
	for range 4 {
		group.Go(func() {
			for i := range next {
				v := d.runCase(ctx, filepath.Join(dir, strconv.Itoa(i)), seed+uint64(i), i%imageEvery == 0)
				mu.Lock()
				if counts[v.kind]++; v.text != "" {
					failures = append(failures, v.text)
				}
				if v.emptied {
					counts[kindEmptied]++
				}
				mu.Unlock()
			}
		})
	}
	for i := range cases {
		next <- i
	}
	close(next)
	group.Wait()
	return counts, failures
}

// runCase runs the case of a seed in a new folder.
func (d differential) runCase(ctx context.Context, root string, seed uint64, images bool) verdict {
	ctx, stop := context.WithTimeoutCause(ctx, caseLimit, errors.New("one case took too long"))
	defer stop()
	must(os.Mkdir(root, 0o755))
	defer os.RemoveAll(root)
	dice := newDice(seed)
	p := dice.project(root)
	report := fmt.Sprintf("-differential=1 -seed=%d\n%s%+v\n", seed, p.render(), p.plan)
	before, err := d.compare(ctx, p, images)
	if err != nil {
		return failedCase(report, err)
	}
	if !before.built {
		return verdict{kind: kindSkipped}
	}
	change := ""
	for i := 0; i < 8 && (change == "" || strings.HasSuffix(change, " ")); i++ {
		change = dice.change(p)
	}
	report += fmt.Sprintf("change: %s\n", change)
	after, err := d.compare(ctx, p, images)
	if err != nil {
		return failedCase(report, err)
	}
	v := judge(before, after, change, report)
	if v.kind == kindMissed && p.hasExcludes() {
		v = d.judgeImages(ctx, seed, p, v)
	}
	v.emptied = before.emptied || after.emptied
	return v
}

// compare observes the project. With images it builds too, the second time on a daemon that has the cache of the first.
func (d differential) compare(ctx context.Context, p project, images bool) (observation, error) {
	o, err := d.observe(ctx, p)
	if err == nil && o.built && images {
		err = d.sameImage(ctx, p, o.inputs)
	}
	return o, err
}

// failedCase returns the verdict about a case that ended with an error. An error about an ignore file is no failure of
// the test: if whole contexts are hashed, all ignore files must be readable.
func failedCase(report string, err error) verdict {
	if strings.Contains(err.Error(), "ignore file of") {
		return verdict{kind: kindRefused}
	}
	return verdict{kind: kindFailed, text: fmt.Sprintf("%s%v", report, err)}
}

package provider

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// fewNodeLosses are the ways to lose the first and the second node that are tested in a phase without -every-loss.
var fewNodeLosses = map[string][2][]string{
	"step":                 {{"killed and restarted"}, {"frozen"}},
	"push of the manifest": {{"killed"}, nil},
	"index":                {nil, {"killed"}},
}

// One of two nodes is lost in any phase, and a third one is down. The first node takes the platform of the second one
// over, and the image is that of a single builder. The platform of the first node is not for the second one. The error
// names both then, no tag moves, and the next update uses what the second one has built.
func TestANodeIsLostInEachPhase(t *testing.T) {
	t.Parallel()
	daemontest.SkipWithoutDaemon(t)
	embedded.Endpoint(t) // it registers emulation for every daemon of this machine
	root, err := daemontest.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, arch := range []string{"amd64", "arm64"} {
		source := filepath.Join(root, ".cache", "fixtures", "busybox-"+arch, "busybox")
		if err := exec.Command("cp", source, filepath.Join(dir, "busybox-"+arch)).Run(); err != nil {
			t.Fatal(err)
		}
	}
	big := make([]byte, 2<<20)
	_, _ = rand.Read(big)
	if err := os.WriteFile(filepath.Join(dir, "big"), big, 0o600); err != nil {
		t.Fatal(err)
	}
	parts := &[2]nodePart{
		{step: fmt.Sprintf("/busybox sleep 1.1%d", os.Getpid())},
		{step: fmt.Sprintf("/busybox sleep 1.2%d", os.Getpid())},
	}
	buildAlone(t, dir, parts)
	for phase := range nodePhases {
		for loss := range losses {
			for index, node := range []string{"first", "second"} {
				isAbsent := phase == "connection" && losses[loss].returns // that is no build that is tried again
				if isAbsent || !*everyLoss && !slices.Contains(fewNodeLosses[phase][index], loss) {
					continue
				}
				r := &nodeLossRun{lossRun: lossRun{dir: dir}, parts: parts, index: index}
				t.Run(node+" "+phase+" "+loss, func(t *testing.T) {
					t.Parallel()
					r.prepareNodes(t)
					r.check(phase, loss)
				})
			}
		}
	}
}

// buildAlone builds each platform of the image of all runs on one builder, and fills in the digests of the parts.
func buildAlone(t *testing.T, dir string, parts *[2]nodePart) {
	t.Helper()
	alone := registrytest.New(t, registrytest.Folder(t.TempDir()))
	r := &lossRun{t: t, wire: dial(t, newProvider(&settings{}), `{"host": "`+embedded.Endpoint(t)+`"}`)}
	for i, platform := range []string{"linux/amd64", secondPlatform} {
		inputs := nodeInputs(t, alone.Host(), dir, parts)
		if _, err := r.create(inputs.Set("platforms", list([]string{platform}))); err != nil {
			t.Fatal(err)
		}
		parts[i].read(t, alone.Host()+"/app:1")
	}
}

// check loses the node in a phase and checks this update and the next one.
func (r *nodeLossRun) check(phase, loss string) {
	r.t.Helper()
	c := losses[loss]
	r.lose = func() {
		r.survivorDone.Store(r.hasSurvivorDone())
		r.lost = time.Now()
		r.isLost.Store(true)
		c.lose(r.lostNode())
	}
	nodePhases[phase](r)
	out, err := r.up()
	if !r.isLost.Load() {
		r.t.Fatalf("the update ended before its node was lost: %v", err)
	}
	if took := time.Since(r.lost); took > time.Minute {
		r.t.Errorf("the update took %s more", took)
	}
	isReplaced := r.index == 1 || c.returns || phase == "index"
	if isReplaced {
		r.checkSame(out, err)
	} else {
		r.checkNodeLoss(phase, err, c.says)
	}
	if says := strings.Contains(r.logText(), "trying once more"); says == (phase == "index" || phase == "connection") {
		r.t.Errorf("tried once more: %v\n%s", says, r.logText())
	}
	c.back(r.lostNode())
	for i, node := range r.nodes {
		isClosed := func() bool { return node.open.Load() == 0 }
		if err := stack.WaitUntil(r.t.Context(), 20*time.Second, isClosed); err != nil {
			r.t.Errorf("%d connections to node %d are left", node.open.Load(), i)
		}
	}
	if !isReplaced {
		r.startProvider() // as the next pulumi up does; this one remembers who did not answer
		out, err = r.up()
		r.checkSame(out, err)
	}
	r.checkReuse()
}

// checkReuse checks that no node ran a step again that it had done.
func (r *nodeLossRun) checkReuse() {
	r.t.Helper()
	survivor := 1 - r.index
	if times := r.seen.count(survivor, survivor); r.survivorDone.Load() && times != 1 {
		r.t.Errorf("the other node ran its step %d times", times)
	}
	if times := r.seen.count(1, 0); times > 0 {
		r.t.Errorf("the second node built the platform of the first one %d times", times)
	}
}

// checkSame checks that an update has made the image that one builder makes.
func (r *nodeLossRun) checkSame(out property.Map, err error) {
	r.t.Helper()
	r.checkImage(out, err)
	if err != nil {
		return
	}
	want := []string{r.parts[0].manifest, r.parts[1].manifest}
	if held := r.manifests(); !slices.Equal(held, want) {
		r.t.Errorf("the tag holds %v, one builder makes %v", held, want)
	}
}

// checkNodeLoss checks that an update has failed because its first node was lost.
func (r *nodeLossRun) checkNodeLoss(phase string, err error, says []string) {
	r.t.Helper()
	says = append(slices.Clone(says), "on "+r.nodes[0].endpoint()+": ", "tried once more: ")
	if phase == "connection" { // there is nothing to try again
		says = nil
	}
	says = append(says, "no builder may build linux/amd64", r.nodes[1].endpoint()+" serves ",
		" and may build linux/arm64 only", "no BuildKit daemon answers at "+r.nodes[0].endpoint(),
		"no BuildKit daemon answers at "+absentBuilder)
	for _, want := range says {
		if err == nil || !strings.Contains(err.Error(), want) {
			r.t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if held := r.heldTag(); held != "" {
		r.t.Errorf("the tag moved to %s", held)
	}
}

//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// Limits of a cancellation. The first one is promised for the plugin. A machine with other work may be slower, so one
// of several tries must keep it, and each must keep endLimit.
const (
	cancelLimit = 5 * time.Second
	cancelTries = 3
)

// When the engine cancels, the plugin ends 32 updates within cancelLimit, those that wait for their turn too. No step,
// no container and no mount stays. The time is the plugin's alone, from the call of the engine to the last answer.
func TestCancelEndsManyImages(t *testing.T) {
	t.Parallel()
	s := stack.New(t, stack.Config{Bin: shared.Bin, Idle: 3 * time.Second, Program: program(t, "", nil)})
	var took []time.Duration
	for len(took) < cancelTries {
		took = append(took, cancelManyImages(t, s))
		if t.Failed() || took[len(took)-1] <= cancelLimit {
			break
		}
	}
	t.Logf("the plugin ended 32 updates in %v", took)
	if best := slices.Min(took); best > cancelLimit || slices.Max(took) > endLimit {
		t.Errorf("32 updates took %v to end, want %s, and never more than %s", took, cancelLimit, endLimit)
	}
}

// Ctrl-C ends pulumi up soon too, with as many images. Its time includes that of the CLI and of a busy machine.
func TestCtrlCEndsManyImages(t *testing.T) {
	t.Parallel()
	step := fmt.Sprintf("sleep 86488.%d", os.Getpid())
	resources := "resources:\n"
	const count = 32
	for i := range count {
		resources += fmt.Sprintf("  image%d: { type: \"buildkit:Image\", properties: { dockerfile: { inline: "+
			"\"FROM %s\\nRUN %s%02d\" }, platforms: [linux/amd64], tags: [\"REPO/%d:1\"] } }\n", i, shared.Base, step,
			i, i)
	}
	s := open(t, program(t, resources, nil))
	limit := limitBuilds(t, s, count)
	p := s.StartUp("--skip-preview", "--parallel", strconv.Itoa(count))
	running := func() int {
		return len(stack.Processes(func(p stack.Proc) bool { return strings.HasPrefix(p.Command, step) }))
	}
	must(t, stack.WaitUntil(t.Context(), 2*time.Minute, func() bool { return running() == limit }))
	defer time.AfterFunc(2*endLimit, func() { _ = p.Kill() }).Stop() // the test has failed by then
	pressed := time.Now()
	must(t, p.Interrupt())
	result, err := p.Wait()
	took := time.Since(pressed)
	t.Logf("pulumi up ended in %v", took)
	if err != nil || took > endLimit {
		t.Errorf("back after %s, %v, want %s at most:\n%s", took, err, endLimit, result.All())
	}
	fails(t, result, "it was running step", "it was waiting for its turn", "nothing was pushed and no tag moved")
	if err := stack.WaitUntil(t.Context(), endLimit, func() bool { return running() == 0 }); err != nil {
		t.Errorf("%d steps still run", running())
	}
	if state := s.Export(); len(state) != 0 {
		t.Errorf("state: %+v", state)
	}
}

// cancelManyImages cancels 32 updates that build, and returns how long they took to end.
func cancelManyImages(t *testing.T, s *stack.Test) time.Duration {
	t.Helper()
	const count, atOnce = 32, 24
	step := fmt.Sprintf("sleep 86477.%d", os.Getpid())
	client, end := startPlugin(t, s, map[string]any{"maxParallelBuilds": atOnce})
	defer end()
	errs := make([]error, count)
	var group sync.WaitGroup
	for i := range count {
		group.Go(func() { errs[i] = createSleeper(t, client, i, step) })
	}
	running := func() int {
		return len(stack.Processes(func(p stack.Proc) bool { return strings.HasPrefix(p.Command, step) }))
	}
	must(t, stack.WaitUntil(t.Context(), 2*time.Minute, func() bool {
		return running() == atOnce && len(stepMounts(s.Daemon)) > 0
	}))
	start := time.Now()
	_, err := client.Cancel(t.Context(), nil)
	must(t, err)
	group.Wait()
	took := time.Since(start)
	waited := 0
	for i, err := range errs {
		if err == nil || !canceledBuild.MatchString(err.Error()) {
			t.Errorf("image %d: %v", i, err)
			continue
		}
		if strings.Contains(err.Error(), ": it was waiting for its turn, because 24 images build on ") {
			waited++
		}
	}
	if waited != count-atOnce {
		t.Errorf("%d updates waited for their turn, want %d", waited, count-atOnce)
	}
	if err := stack.WaitUntil(t.Context(), endLimit, func() bool {
		return running() == 0 && len(stepMounts(s.Daemon)) == 0
	}); err != nil {
		t.Errorf("%d steps still run, and these are mounted: %v", running(), stepMounts(s.Daemon))
	}
	return took
}

var canceledBuild = regexp.MustCompile(`canceled after [^:]*: it was (running step \[2/2\] RUN sleep|waiting for its ` +
	`turn, because ).*; nothing was pushed and no tag moved`)

// createSleeper asks the plugin for an image whose step sleeps for a day. Each number gives another step.
func createSleeper(t *testing.T, client pulumirpc.ResourceProviderClient, number int, step string) error {
	t.Helper()
	name := fmt.Sprintf("image%d", number)
	urn := "urn:pulumi:dev::app::buildkit:index:Image::" + name
	checked, err := client.Check(t.Context(), &pulumirpc.CheckRequest{
		Urn: urn, Name: name, Type: "buildkit:index:Image", News: marshal(t, map[string]any{
			"dockerfile": map[string]any{"inline": fmt.Sprintf("FROM %s\nRUN %s%02d\n", shared.Base, step, number)},
			"platforms":  []any{"linux/amd64"}, "tags": []any{fmt.Sprintf("%s/%s:1", repository(t), name)},
		}),
	})
	if err != nil {
		return err
	}
	_, err = client.Create(t.Context(), &pulumirpc.CreateRequest{
		Urn: urn, Name: name, Type: "buildkit:index:Image", Properties: checked.GetInputs(),
	})
	return err
}

// stepMounts returns what the daemon in a folder has mounted for steps.
func stepMounts(folder string) (found []string) {
	for _, daemon := range stack.Daemons(folder) {
		mounts, _ := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", daemon.PID)) // it may have ended
		for line := range bytes.Lines(mounts) {
			if fields := strings.Fields(string(line)); len(fields) > 4 && strings.Contains(fields[4], "/executor/") {
				found = append(found, filepath.Base(filepath.Dir(fields[4])))
			}
		}
	}
	return found
}

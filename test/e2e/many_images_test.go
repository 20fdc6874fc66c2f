//go:build linux

package e2e

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// manyMemory bounds the memory of the plugin while 32 images build, in MB.
const manyMemory = 200

// 32 images that the engine asks for at once are those that each of them would be alone. The builder builds no more of
// them at once than its cores allow, and the plugin's memory stays bounded.
func TestManyImagesAtOnce(t *testing.T) {
	t.Parallel()
	const count = 32
	step := fmt.Sprintf("sleep 1.5%d", os.Getpid())
	properties := func(i int) string {
		return fmt.Sprintf("{ context: { location: apps/%d }, platforms: [linux/amd64, linux/arm64], "+
			"sourceDateEpoch: 1 ", i)
	}
	resources, files := "resources:\n", map[string]string{}
	for i := range count {
		resources += fmt.Sprintf("  image%d: { type: \"buildkit:Image\", properties: %s, tags: [\"REPO/%d:1\", "+
			"\"REPO/%d:2\"] } }\n", i, properties(i), i, i)
		files[fmt.Sprintf("apps/%d/text", i)] = fmt.Sprintln(i)
		files[fmt.Sprintf("apps/%d/Dockerfile", i)] = "FROM --platform=$BUILDPLATFORM BUSYBOX AS build\n" +
			"COPY text /text\nRUN --network=none " + step + " && tr 0-9 a-j </text >/letters\n" +
			"FROM BUSYBOX\nCOPY --from=build /letters /\n"
	}
	s := open(t, program(t, resources, files))
	limit := limitBuilds(t, s, count)
	most := countWhile(step, func() {
		if memory := pluginMemory(t, func() {
			succeeds(t, s.Up("--skip-preview", "--parallel", strconv.Itoa(count)), "+ 33 created",
				fmt.Sprintf(" waiting for its turn: %d images build on the embedded BuildKit daemon, ", limit))
		}); memory > manyMemory {
			t.Errorf("the plugin took %.0f MB, want %d at most", memory, manyMemory)
		}
	})
	if most > limit || most < 2 {
		t.Errorf("%d images were built at once, want 2 to %d", most, limit)
	}
	digests := map[string]any{}
	for name, resource := range resourcesByName(s) {
		digests[name] = resource.Outputs["digest"]
		number := strings.TrimPrefix(name, "image")
		for _, tag := range []string{":1", ":2"} {
			if held := tagDigest(t, repository(t)+"/"+number+tag); held == "" || held != digests[name] {
				t.Errorf("%s%s holds %q, the digest is %v", name, tag, held, digests[name])
			}
		}
	}

	alone := open(t, program(t, "resources:\n  image7: { type: \"buildkit:Image\", properties: "+properties(7)+
		", tags: [\"REPO/alone:1\"], noCache: true } }\n", files))
	succeeds(t, alone.Up("--skip-preview"))
	if got := image(t, alone).Outputs["digest"]; got != digests["image7"] {
		t.Errorf("alone the image is %v, among others it was %v", got, digests["image7"])
	}
	succeeds(t, alone.Destroy("--skip-preview"))
	succeeds(t, s.Destroy("--skip-preview"))
}

// limitBuilds returns how many of count images build at once in the stack: the default of this machine, or half of them
// if its cores allow more.
func limitBuilds(t *testing.T, s *stack.Test, count int) int {
	t.Helper()
	limit := 4 * runtime.GOMAXPROCS(0)
	if half := count / 2; limit > half {
		cli(t, s, "config", "set", "buildkit:maxParallelBuilds", strconv.Itoa(half))
		limit = half
	}
	return limit
}

// countWhile returns how many processes ran a command at once, at most, while run ran.
func countWhile(command string, run func()) (most int) {
	done, counted := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(counted)
		for tick := time.NewTicker(100 * time.Millisecond); ; {
			select {
			case <-done:
				tick.Stop()
				return
			case <-tick.C:
			}
			most = max(most, len(stack.Processes(func(p stack.Proc) bool { return p.Command == command })))
		}
	}()
	run()
	close(done)
	<-counted
	return most
}

// Several images with the same inputs share the steps of the builder. One that is stopped leaves the others alone.
func TestEqualImagesShareSteps(t *testing.T) {
	t.Parallel()
	step := fmt.Sprintf("sleep 12.5%d", os.Getpid())
	resources := "resources:\n"
	for _, image := range []string{"short", "a", "b", "c"} {
		resources += "  " + image + ":\n    type: buildkit:Image\n    properties:\n" +
			"      dockerfile: { inline: \"FROM " + shared.Base + "\\nRUN " + step +
			" && cat /proc/sys/kernel/random/uuid >/id\" }\n" +
			"      platforms: [linux/amd64]\n      tags: [\"REPO/" + image + ":1\"]\n"
		if image == "short" {
			resources += "    options: { customTimeouts: { create: 8s } }\n"
		}
	}
	s := open(t, program(t, resources, nil))
	var result stack.Result
	if most := countWhile(step, func() { result = s.Up("--skip-preview", "--continue-on-error") }); most != 1 {
		t.Errorf("the step ran %d times at once, want 1", most)
	}
	fails(t, result, "stopped after 8s (customTimeouts.create): it was running ")
	digests := map[any]bool{}
	for name, made := range resourcesByName(s) {
		digests[made.Outputs["digest"]] = true
		if name == "short" || tagDigest(t, repository(t)+"/"+name+":1") != made.Outputs["digest"] {
			t.Errorf("%s: outputs are %v", name, made.Outputs)
		}
	}
	if len(digests) != 1 || len(resourcesByName(s)) != 3 {
		t.Errorf("digests are %v, want one of three images", digests)
	}
	succeeds(t, s.Destroy("--skip-preview"))
}

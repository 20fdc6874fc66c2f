//go:build linux

package attacks

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// The attacker writes the Dockerfile, and wants to use up the memory or the time of the machine that previews it.

// Each of these Dockerfiles once took gigabytes or minutes in Check, even if the preview built nothing. Package
// buildkit/dockerfile has more.
func TestADockerfileHasABudget(t *testing.T) {
	t.Parallel()
	for name, attack := range map[string]struct{ text, says string }{
		"ENV": {"FROM scratch\nENV A=xxxxxxxxxxxxxxxx\n" + strings.Repeat("ENV A=$A$A\n", 34),
			`("ENV A=$A$A"): the Dockerfile frontend needs more than 256 MiB of memory`},
		"ARG": {"FROM scratch\nARG A=xxxxxxxxxxxxxxxx\n" + strings.Repeat("ARG A=$A$A\n", 34),
			`("ARG A=$A$A"): the Dockerfile frontend needs more than 256 MiB of memory`},
		"WORKDIR": {"FROM scratch\n" + strings.Repeat("WORKDIR a\n", 49_000),
			`("WORKDIR a"): the Dockerfile frontend needs more than `},
		"growing": {"FROM scratch\nENV P=x\n" + strings.Repeat("ENV P=$P:x\n", 49_000),
			`("ENV P=$P:x"): the Dockerfile frontend needs more than `},
		"lines": {strings.Repeat("\n", 60_000) + "FROM scratch\n", "50000 lines are the most"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := shared.Program(t, `resources:
  good:
    type: buildkit:Image
    properties:
      context: {location: ./app}
  costly:
    type: buildkit:Image
    properties:
      context: {location: ./costly}
      buildOnPreview: false
    options: {dependsOn: ["${good}"]}
`, map[string]string{"app/Dockerfile": "FROM BUSYBOX\nRUN echo works\n", "costly/Dockerfile": attack.text})
			test := shared.Open(t, program)
			stopWatching := watchMemory(test)
			start := time.Now()
			r := test.Preview()
			took, most := time.Since(start), stopWatching()
			stack.Fails(t, r, attack.says)
			if !regexp.MustCompile(`buildkit:index:Image\s+good\s+create`).MatchString(r.All()) ||
				strings.Contains(r.All(), "bug of the provider") {
				t.Errorf("the harmless image was not planned:\n%s", r.All())
			}
			if t.Logf("%s, %d MB at most in a process", took, most>>10); most > memoryBound || took > 4*time.Minute {
				t.Errorf("a process had %d KB, and the preview took %s", most, took)
			}
		})
	}
}

// memoryBound is how much memory a process of the plugin may use, in KB.
const memoryBound = 600 << 10

// If the program sets contextHash, the build is the first to read the Dockerfile. It also reads what a base image adds.
func TestABuildHasABudget(t *testing.T) {
	t.Parallel()
	files := map[string]string{"app/Dockerfile": "FROM BUSYBOX\nENV A=xxxxxxxxxxxxxxxx\n" +
		strings.Repeat("ENV A=$A$A\n", 34)}
	test := shared.Open(t, shared.Project(t, app+"contextHash: pinned\n", files))
	stopWatching := watchMemory(test)
	r := test.Preview()
	most := stopWatching()
	stack.Fails(t, r, `("ENV A=$A$A"): the Dockerfile frontend needs more than 256 MiB of memory`)
	if t.Logf("%d MB at most in a process", most>>10); most > memoryBound {
		t.Errorf("a process had %d KB", most)
	}
}

// watchMemory returns a function that returns the most memory, in KB, that one process of the plugin has used since.
func watchMemory(test *stack.Test) func() int {
	most, stop := 0, make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			for _, p := range append(test.Plugins(), stack.ProcessesWith("dockerfile-frontend")...) {
				if strings.Contains(p.Command, "pulumi-resource-buildkit") ||
					strings.Contains(p.Command, "dockerfile-frontend") {
					most = max(most, peakMemory(p.PID))
				}
			}
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	})
	return func() int {
		close(stop)
		watching.Wait()
		return most
	}
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peakMemory returns the most memory that a process has used so far, in KB.
func peakMemory(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	m := highWater.FindSubmatch(status)
	if m == nil {
		return 0
	}
	kb, _ := strconv.Atoi(string(m[1]))
	return kb
}

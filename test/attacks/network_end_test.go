//go:build linux

package attacks

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// When the network of steps dies, a build that runs ends at once, and a person reads why. The next one gets another
// daemon.
func TestNetworkThatDies(t *testing.T) {
	t.Parallel()
	mark := fmt.Sprintf("86400.%d", os.Getpid()) // of this run of the tests
	files := map[string]string{"app/Dockerfile": "FROM BUSYBOX\nRUN sleep " + mark + "\n"}
	test := stack.New(t, stack.Config{Bin: shared.Bin, Program: shared.Project(t, "context: { location: app }", files)})
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	defer stop()
	var result stack.Result
	var killed time.Time
	var first int // the relay that was killed
	ended := make(chan error, 1)
	go func() {
		var err error
		result, err = test.Run(ctx, "up", "--yes", "--skip-preview", "--non-interactive")
		ended <- err
	}()
	kills := 0
	for tick := time.NewTicker(50 * time.Millisecond); kills < 2; <-tick.C { // the build is tried once more
		if ctx.Err() != nil {
			t.Fatal("the step does not run")
		}
		relay := findProcess("relay\x00" + test.Daemon + "\x00")
		if relay == 0 || relay == first || findProcess("sleep\x00"+mark+"\x00") == 0 {
			continue
		}
		if err := syscall.Kill(relay, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		first, killed, kills = relay, time.Now(), kills+1
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if took := time.Since(killed); took > 30*time.Second {
		t.Errorf("the build ended after %s", took)
	}
	stack.Fails(t, result, "trying once more", "the embedded BuildKit daemon ended during the build: "+
		"the network relay of steps ended by itself (signal: killed)", "Run it again")
	if err := test.Write("app/Dockerfile", "FROM "+shared.Base+"\nRUN true\n"); err != nil {
		t.Fatal(err)
	}
	stack.Succeeds(t, test.Up())
}

// findProcess returns the number of a process whose arguments contain text, or 0.
func findProcess(text string) int {
	for _, pid := range daemontest.ProcessIDs() {
		if strings.Contains(daemontest.ProcessArguments(pid), text) {
			return pid
		}
	}
	return 0
}

//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// endLimit is how long an interrupted command may take until it ends on a slow machine. Others take a second.
const endLimit = 20 * time.Second

const slowBuild = `
context: { location: . }
platforms: [linux/amd64]
tags: ["REPO:1"]
buildOnPreview: false
`

func TestCtrlCEndsALongStep(t *testing.T) {
	t.Parallel()
	step := longStep(86411)
	s := open(t, project(t, slowBuild, map[string]string{"Dockerfile": "FROM BUSYBOX\nRUN " + step + "\n"}))
	p := s.StartUp("--skip-preview")
	waitForStep(t, step)

	defer time.AfterFunc(2*endLimit, func() { _ = p.Kill() }).Stop() // the test has failed by then
	pressed := time.Now()
	if err := p.Interrupt(); err != nil {
		t.Fatal(err)
	}
	result, err := p.Wait()
	if took := time.Since(pressed); err != nil || result.Code == 0 || took > endLimit {
		t.Errorf("back after %s with exit code %d, %v, want %s at most and a failure:\n%s", took, result.Code, err,
			endLimit, result.All())
	}
	says(t, result, ": it was running step [2/2] RUN "+step+" (linux/amd64) for ",
		"; nothing was pushed and no tag moved")
	if err := stack.WaitUntil(t.Context(), endLimit,
		func() bool { return len(stack.ProcessesWith(step)) == 0 }); err != nil {
		t.Errorf("the step still runs: %v", stack.ProcessesWith(step))
	}
	if moved := fetchManifest(t, repository(t)+":1"); moved != nil {
		t.Errorf("the tag is at %s", moved.Digest)
	}
	if state := s.Export(); len(state) != 0 {
		t.Errorf("state: %+v", state)
	}
}

// If the daemon of a build is lost, the error says what it did.
func TestALostDaemonNamesTheStep(t *testing.T) {
	t.Parallel()
	step := longStep(86455)
	_, endpoint := buildkitd(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cut := make(chan struct{})
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go relayUntil(conn, strings.TrimPrefix(endpoint, "tcp://"), cut)
		}
	}()
	s := open(t, project(t, slowBuild+"builder: { endpoint: \"tcp://"+listener.Addr().String()+"\" }\n",
		map[string]string{"Dockerfile": "FROM BUSYBOX\nRUN " + step + "\n"}))
	p := s.StartUp("--skip-preview")
	waitForStep(t, step)
	_ = listener.Close()
	close(cut)
	result, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	fails(t, result, "; trying once more", "; tried once more: no BuildKit daemon answers at tcp://",
		". The build was running step [2/2] RUN "+step+" (linux/amd64) for ",
		"; nothing was pushed and no tag moved")
}

// relayUntil passes everything on in both directions until cut is closed.
func relayUntil(from net.Conn, address string, cut <-chan struct{}) {
	defer from.Close()
	to, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer to.Close()
	go func() { _, _ = io.Copy(to, from) }()
	go func() { _, _ = io.Copy(from, to) }()
	<-cut
}

// After kill -9 of the plugin and the CLI, the daemon and its steps end by themselves.
func TestKilledPluginAndCLILeaveNothing(t *testing.T) {
	t.Parallel()
	step := longStep(86422)
	s := stack.New(t, stack.Config{
		Bin: shared.Bin, Idle: 3 * time.Second,
		Program: project(t, slowBuild, map[string]string{"Dockerfile": "FROM BUSYBOX\nRUN " + step + "\n"}),
	})
	p := s.StartUp("--skip-preview")
	waitForStep(t, step)

	stack.Kill(s.Plugins())
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := stack.AwaitDaemonEnd(t.Context(), s.Daemon); err != nil {
		t.Error(err)
	}
	if left := stack.ProcessesWith(step); len(left) > 0 {
		t.Errorf("the step still runs: %v", left)
	}

	if err := s.Write("Dockerfile", "FROM "+shared.Base+"\nRUN echo awake\n"); err != nil {
		t.Fatal(err)
	}
	// The killed CLI left its lock on the backend.
	if _, err := s.Run(t.Context(), "cancel", "--yes", "--stack", "dev"); err != nil {
		t.Fatal(err)
	}
	succeeds(t, s.Up("--skip-preview"), "+ 1 created") // the stack resource was there before the kill
	succeeds(t, s.Destroy("--skip-preview"))
}

// After kill -9 of the CLI, the build and the plugin end, although the language host runs on.
func TestAKilledCLIEndsTheBuild(t *testing.T) {
	t.Parallel()
	step := longStep(86433)
	s := open(t, project(t, slowBuild, map[string]string{"Dockerfile": "FROM BUSYBOX\nRUN " + step + "\n"}))
	p := s.StartUp("--skip-preview")
	waitForStep(t, step)
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := stack.WaitUntil(t.Context(), endLimit,
		func() bool { return len(stack.ProcessesWith(step)) == 0 }); err != nil {
		t.Errorf("the step still runs: %v", stack.ProcessesWith(step))
	}
	plugin := func() bool {
		return slices.ContainsFunc(s.Plugins(),
			func(p stack.Proc) bool { return strings.Contains(p.Command, "pulumi-resource-buildkit") })
	}
	if err := stack.WaitUntil(t.Context(), endLimit, func() bool { return !plugin() }); err != nil {
		t.Errorf("the plugin outlives its engine: %v", s.Plugins())
	}
	stack.Kill(s.Plugins()) // the language host is Pulumi's own
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if moved := fetchManifest(t, repository(t)+":1"); moved != nil {
		t.Errorf("the tag is at %s", moved.Digest)
	}
}

// longStep returns the command of a step that runs for at least these seconds. No other run of the tests on the machine
// has the same command.
func longStep(seconds int) string { return fmt.Sprintf("sleep %d.%d", seconds, os.Getpid()) }

// waitForStep waits until the command of a step runs.
func waitForStep(t *testing.T, step string) {
	t.Helper()
	if err := stack.WaitUntil(t.Context(), time.Minute,
		func() bool { return len(stack.ProcessesWith(step)) > 0 }); err != nil {
		t.Fatalf("the step %q did not start: %v", step, err)
	}
}

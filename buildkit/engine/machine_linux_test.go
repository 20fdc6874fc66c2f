package engine_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/enginetest"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// machineVariable makes the program of the tests another machine, which builds in the engine that the variable names.
const machineVariable = "ENGINE_TEST_MACHINE"

// startMachine starts a machine with another loopback, on which a registry listens at each address. It returns when a
// build there has tunnels to all of them. end ends that build.
func startMachine(t *testing.T, host string, addresses ...string) (end func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, addresses...)
	cmd.Env = append(os.Environ(), machineVariable+"="+host)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "builds\n" {
		t.Fatalf("the other machine: %q, %v", line, errors.Join(err, cmd.Wait()))
	}
	return func() {
		if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
			t.Error(err)
		}
	}
}

// runMachine is what startMachine starts. It builds until standard input ends.
func runMachine(host string, addresses []string) {
	err := func() error {
		ctx, stop := context.WithTimeout(context.Background(), time.Minute)
		defer stop()
		if err := enginetest.RaiseLoopback(); err != nil {
			return err
		}
		for _, address := range addresses {
			listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
			if err != nil {
				return err
			}
			defer func() { _ = listener.Close() }()
		}
		e, err := engine.Dial(ctx, engine.AtHost(host))
		if err != nil {
			return err
		}
		defer func() { _ = e.Close() }()
		b, err := e.StartBuilder(ctx, engine.BuilderOptions{Hosts: addresses, Note: func(string) {}})
		if err != nil {
			return err
		}
		defer b.Close()
		c, err := b.BuildKit(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		if _, err := io.WriteString(os.Stdout, "builds\n"); err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, os.Stdin)
		return err
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// freeHost returns a port of the loopback at which nothing listens.
func freeHost(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// Builds of two machines in one engine do not mix: while a port leads to one machine, it leads to no other. That also
// holds if nothing listens at the port of the other one.
func TestTwoMachinesInOneEngine(t *testing.T) {
	t.Parallel()
	registry := registrytest.New(t)
	silent := freeHost(t)
	end := startMachine(t, apart.Host(t), registry.Host(), silent)
	b, none := startApart(t, registry.Host()), startApart(t, silent)
	for host, b := range map[string]*engine.Builder{registry.Host(): b, silent: none} {
		b.SetTunnelLimits(time.Minute, time.Second)
		_, err := b.BuildKit(t.Context())
		if claimed, ok := errors.AsType[*engine.ClaimedError](err); !ok || claimed.Address != host {
			t.Errorf("%s: %v", host, err)
		}
	}
	end()
	daemon, err := b.BuildKit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = daemon.Close() }()
	if _, err := solve(t, daemon, newPlan(t, registry.Host()+"/image")); err != nil {
		t.Error(err)
	}
	if daemon, err = none.BuildKit(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = daemon.Close()
}

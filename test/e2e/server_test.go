//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// smallServer answers as the example's server does. It compiles half a minute faster for each platform, because it does
// not need net/http. make demo builds the example's own server.
const smallServer = `package main

import (
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

func main() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	listener, err := net.Listen("tcp", os.Getenv("ADDR"))
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(os.Stderr, "{\"msg\": \"serving\", \"addr\": %q}\n", listener.Addr())
	go func() {
		for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
			_, _ = conn.Read(make([]byte, 4096))
			fmt.Fprintf(conn, "HTTP/1.0 200 OK\r\n\r\nhello from linux/%s, version %s\n",
				runtime.GOARCH, os.Getenv("VERSION"))
			conn.Close()
		}
	}()
	<-ended
}
`

// Runs the example with a smaller server.
func TestGoServer(t *testing.T) {
	t.Parallel()
	goroot, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	s := stack.New(t, stack.Config{
		Bin: shared.Bin, Program: os.DirFS("../../examples/go-server"), Daemon: shared.Daemon, Idle: 5 * time.Second,
		Values: map[string]string{"repository": repository(t), "goroot": strings.TrimSpace(string(goroot))},
	})
	must(t, s.Write("main.go", smallServer))
	must(t, s.Write("routes.go", "package main\n"))
	succeeds(t, s.Up("--skip-preview"), "+ 2 created")
	for _, arch := range []string{"amd64", "arm64"} {
		emulator := ""
		if arch != runtime.GOARCH {
			emulator, err = stack.Emulator(arch)
		}
		if err != nil {
			t.Fatalf("NEEDS QEMU: %v", err)
		}
		answer, err := stack.RunServer(t.Context(), repository(t)+":latest", arch, emulator)
		if want := "hello from linux/" + arch + ", version 1.0\n"; err != nil || answer != want {
			t.Errorf("%s: %q, %v, want %q", arch, answer, err, want)
		}
	}
	succeeds(t, s.Up("--expect-no-changes"), "2 unchanged")
	succeeds(t, s.Destroy("--skip-preview"))
}

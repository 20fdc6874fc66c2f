//go:build unix

package buildkit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// ordinaryRole is the argument that makes the test binary run as an ordinary user's process: see ordinaryUser.
const ordinaryRole = "buildkit-test-ordinary"

// ordinaryUser has the settings of a process of an ordinary user that loads and builds a folder.
type ordinaryUser struct {
	Dir        string
	Endpoint   string // build there too; "": only load
	User       int    // becomes this user first; 0 stays root
	LoadFiles  int    // while it loads it can open so many files more; 0: as many as it wants, -1: none
	SendFiles  int    // the same while it builds, plus one; 0: as many as it wants
	Unreadable string // loses its permissions between loading and building
}

// runOrdinaryUser runs such a process if args ask for it. It prints the error of the load or the build, or "ok" and the
// hash.
func runOrdinaryUser(args []string) (handled bool, code int) {
	if len(args) != 2 || args[0] != ordinaryRole {
		return false, 0
	}
	var o ordinaryUser
	must(json.Unmarshal([]byte(args[1]), &o))
	hash, err := o.run(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stdout, "error:", err)
		return true, 0
	}
	fmt.Fprintln(os.Stdout, "ok", hash)
	return true, 0
}

func (o ordinaryUser) run(ctx context.Context) (string, error) {
	if o.User != 0 {
		must(errors.Join(syscall.Setgroups(nil), syscall.Setgid(o.User), syscall.Setuid(o.User)))
	}
	must(os.Setenv("PULUMI_BUILDKIT_STAT_CACHE", "off"))
	plan := inlinePlan(o.Dir, "FROM scratch\nCOPY . /x/")
	if o.LoadFiles != 0 {
		limitFiles(max(0, o.LoadFiles))
	}
	inputs, err := inputs.Load(ctx, plan)
	if err != nil || o.Endpoint == "" {
		return hashOf(inputs), err
	}
	c, err := dial(ctx, o.Endpoint)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if o.Unreadable != "" {
		must(os.Chmod(filepath.Join(o.Dir, o.Unreadable), 0))
	}
	if o.SendFiles > 0 {
		limitFiles(o.SendFiles - 1)
	}
	_, err = buildkit.Solve(ctx, c, plan, inputs, buildkit.Access{Credentials: noCredentials}, func(buildkit.Event) {})
	if err != nil && strings.Contains(err.Error(), "named no image digest") {
		err = nil
	}
	return inputs.Hash(), err
}

func hashOf(inputs *inputs.Inputs) string {
	if inputs == nil {
		return ""
	}
	return inputs.Hash()
}

// limitFiles lets this process open n more files.
func limitFiles(n int) {
	probe, err := unix.Open("/dev/null", unix.O_RDONLY, 0) // the lowest number that is free
	must(err)
	must(unix.Close(probe))
	limit := uint64(probe + n)
	must(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit, Max: limit}))
}

// start runs the process and returns its output.
func (o ordinaryUser) start(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: becoming another user needs root: run the tests as root")
	}
	args, err := json.Marshal(o)
	must(err)
	child := exec.CommandContext(t.Context(), os.Args[0], ordinaryRole, string(args))
	var log strings.Builder // gRPC's own complaints too
	child.Stderr = &log
	output, err := child.Output()
	if err != nil {
		t.Fatalf("%v: %s%s", err, output, log.String())
	}
	return strings.TrimSpace(string(output))
}

// publicFolder returns a new folder that every user can read.
func publicFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755)))
	return dir
}

// sharedFolder returns a folder with n files that every user can reach. The files belong to the user with the number
// owner.
func sharedFolder(t *testing.T, n, owner int) string {
	t.Helper()
	dir := publicFolder(t)
	for i := range n {
		folder := filepath.Join(dir, fmt.Sprint("d", i%5))
		path := filepath.Join(folder, fmt.Sprint("f", i))
		must(os.MkdirAll(folder, 0o755))
		must(os.WriteFile(path, []byte(strings.Repeat(fmt.Sprint(i), 100)), 0o644))
		if os.Geteuid() == 0 {
			must(os.Chown(path, owner, owner))
		}
	}
	return dir
}

const nobody = 65534

// proxyDaemon makes the tests' daemon available on a socket that every user can reach. It returns the endpoint.
func proxyDaemon(t *testing.T) string {
	t.Helper()
	endpoint, socket := shared.Endpoint(t), filepath.Join(publicFolder(t), "s")
	listener, err := net.Listen("unix", socket)
	must(err)
	must(os.Chmod(socket, 0o777))
	var all sync.WaitGroup
	all.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { forward(near, strings.TrimPrefix(endpoint, "unix://")) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); all.Wait() })
	return "unix://" + socket
}

func forward(near net.Conn, socket string) {
	far, err := net.Dial("unix", socket)
	must(err)
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(far, near); _ = far.Close() })
	both.Go(func() { _, _ = io.Copy(near, far); _ = near.Close() })
	both.Wait()
}

// With few descriptors a scan succeeds or says which path it could not open.
func TestTooFewDescriptorsAreAnError(t *testing.T) {
	t.Parallel()
	dir := sharedFolder(t, 200, 0)
	want := (ordinaryUser{Dir: dir}).start(t)
	failures := 0
	for _, n := range []int{1, 2, 3, 5} {
		switch got := (ordinaryUser{Dir: dir, LoadFiles: n}).start(t); {
		case got == want:
		case strings.HasPrefix(got, "error: ") && strings.HasSuffix(got, ": too many open files"):
			failures++
		default:
			t.Errorf("loading with %d: %s, want %s", n, got, want)
		}
	}
	if failures == 0 {
		t.Error("descriptors never ran out while loading")
	}
	failures = 0
	for n := range 4 {
		switch got := (ordinaryUser{Dir: dir, Endpoint: shared.Endpoint(t), SendFiles: n + 1}).start(t); {
		case got == want:
		case strings.HasPrefix(got, "error: ") && strings.Contains(got, "too many open files"):
			failures++
		default:
			t.Errorf("sending with %d: %s, want %s", n, got, want)
		}
	}
	if failures == 0 {
		t.Error("descriptors never ran out while sending")
	}
}

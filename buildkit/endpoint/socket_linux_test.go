package endpoint_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"

	controlapi "github.com/moby/buildkit/api/services/control"
	"google.golang.org/grpc"
)

// The path of a socket is a path and no URL, as it is for buildkitd itself.
func TestDialTakesAnyPath(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a%2Fb", "a%zz", "a#b", "a?b=c", "a:b", "a@b", "a b", "a\nb", `a\b"`,
		"é☃", "a\xffb",
		strings.Repeat("long", 50)} {
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
		e, err := endpoint.Parse("unix://" + path)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		c, err := e.Dial(t.Context(), endpoint.Options{})
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

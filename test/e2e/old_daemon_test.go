//go:build linux

package e2e

import (
	"context"
	"net"
	"path/filepath"
	"testing"

	controlapi "github.com/moby/buildkit/api/services/control"
	apitypes "github.com/moby/buildkit/api/types"
	"google.golang.org/grpc"
)

// oldDaemon tells an old version and can do nothing else.
type oldDaemon struct {
	controlapi.UnimplementedControlServer
}

func (oldDaemon) Info(context.Context, *controlapi.InfoRequest) (*controlapi.InfoResponse, error) {
	return &controlapi.InfoResponse{BuildkitVersion: &apitypes.BuildkitVersion{Version: "v0.30.0"}}, nil
}

// A person who builds on a daemon with known security defects is told so.
func TestADaemonWithKnownDefects(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "b.sock")
	listener, err := net.Listen("unix", socket)
	must(t, err)
	server := grpc.NewServer()
	controlapi.RegisterControlServer(server, oldDaemon{})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	builder := "builder: { endpoint: \"unix://" + socket + "\" }\n"
	s := open(t, project(t, fixed+builder, map[string]string{"hello": "hello\n"}))
	fails(t, s.Up("--skip-preview"), "warning: the BuildKit daemon at unix://"+socket+" is v0.30.0, and versions "+
		"before v0.31.2 have known security defects (CVE-2026-15788 and others). Update it")
}

package wire_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue/wire"
)

func TestPanicsOfTransportsBecomeErrors(t *testing.T) {
	t.Parallel()
	_, err := wire.Transport{}.RoundTrip(nil) //nolint:bodyclose // there is none
	if _, ok := errors.AsType[*rescue.PanicError](err); !ok {
		t.Fatal("no PanicError")
	}
}

// brokenHealth is a service whose handlers panic.
type brokenHealth struct {
	grpc_health_v1.UnimplementedHealthServer
}

type (
	request  = grpc_health_v1.HealthCheckRequest
	response = grpc_health_v1.HealthCheckResponse
)

func (brokenHealth) Check(context.Context, *request) (*response, error) {
	panic("in Check")
}

func (brokenHealth) Watch(*request, grpc.ServerStreamingServer[response]) error {
	panic("in Watch")
}

func TestPanicsOfHandlersBecomeErrors(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(wire.Services{ServiceRegistrar: server}, brokenHealth{})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	health := grpc_health_v1.NewHealthClient(conn)
	_, checked := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	stream, watched := health.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if watched == nil {
		_, watched = stream.Recv()
	}
	for want, err := range map[string]error{"in Check": checked, "in Watch": watched} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestTransportPassesOn(t *testing.T) {
	t.Parallel()
	want := errors.New("nobody there")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := wire.Transport{Next: refusing{want}}.RoundTrip(req)
	if resp != nil {
		_ = resp.Body.Close()
	}
	if !errors.Is(err, want) {
		t.Fatal(err)
	}
}

type refusing struct{ error }

func (r refusing) RoundTrip(*http.Request) (*http.Response, error) { return nil, r.error }

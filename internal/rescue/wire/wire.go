// Package wire is package rescue for servers of gRPC and clients of HTTP. Those take megabytes, which the program for
// the network of build steps need not carry, so they have a package of their own.
package wire

import (
	"context"
	"net/http"

	"google.golang.org/grpc"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// Services registers gRPC services on a server whose interceptors are somebody else's. A panic of a handler is the
// error of its call.
type Services struct{ grpc.ServiceRegistrar }

// RegisterService implements grpc.ServiceRegistrar.
func (s Services) RegisterService(desc *grpc.ServiceDesc, implementation any) {
	guarded := *desc
	guarded.Methods, guarded.Streams = nil, nil
	for _, method := range desc.Methods {
		handle := method.Handler
		method.Handler = func(
			srv any, ctx context.Context, decode func(any) error, around grpc.UnaryServerInterceptor,
		) (any, error) {
			return rescue.Value(func() (any, error) { return handle(srv, ctx, decode, around) })
		}
		guarded.Methods = append(guarded.Methods, method)
	}
	for _, stream := range desc.Streams {
		handle := stream.Handler
		stream.Handler = func(srv any, s grpc.ServerStream) error {
			return rescue.Call(func() error { return handle(srv, s) })
		}
		guarded.Streams = append(guarded.Streams, stream)
	}
	s.ServiceRegistrar.RegisterService(&guarded, implementation)
}

// Transport is an http.RoundTripper for libraries that send requests in goroutines of their own. A panic of Next is an
// error of its request.
type Transport struct{ Next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	return rescue.Value(func() (*http.Response, error) { return t.Next.RoundTrip(req) })
}

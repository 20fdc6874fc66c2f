package rescue

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
)

// Value runs f and returns its value and error, or a *PanicError when it panics.
func Value[T any](f func() (T, error)) (value T, err error) {
	defer Recover(func(caught *PanicError) { err = caught })
	return f()
}

// GoErrGroup runs f in a goroutine of group, for which a panic of f is an error.
func GoErrGroup(group *errgroup.Group, f func() error) {
	group.Go(func() error { return Call(f) }) //nolint:forbidigo // this is what others are to call
}

// AfterFunc is time.AfterFunc, and passes a panic of f to fail.
func AfterFunc(d time.Duration, fail func(error), f func()) *time.Timer {
	return time.AfterFunc(d, func() { //nolint:forbidigo // this is what others are to call
		defer Recover(func(caught *PanicError) { fail(caught) })
		f()
	})
}

// Services registers gRPC services on a server whose interceptors are somebody else's. A panic of a handler is the error of
// its call.
type Services struct{ grpc.ServiceRegistrar }

// RegisterService implements grpc.ServiceRegistrar.
func (s Services) RegisterService(desc *grpc.ServiceDesc, implementation any) {
	guarded := *desc
	guarded.Methods, guarded.Streams = nil, nil
	for _, method := range desc.Methods {
		handle := method.Handler
		method.Handler = func(srv any, ctx context.Context, decode func(any) error, around grpc.UnaryServerInterceptor) (any, error) {
			return Value(func() (any, error) { return handle(srv, ctx, decode, around) })
		}
		guarded.Methods = append(guarded.Methods, method)
	}
	for _, stream := range desc.Streams {
		handle := stream.Handler
		stream.Handler = func(srv any, s grpc.ServerStream) error { return Call(func() error { return handle(srv, s) }) }
		guarded.Streams = append(guarded.Streams, stream)
	}
	s.ServiceRegistrar.RegisterService(&guarded, implementation)
}

// Transport is an http.RoundTripper for libraries that send requests in goroutines of their own. A panic of Next is an error
// of its request.
type Transport struct{ Next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	return Value(func() (*http.Response, error) { return t.Next.RoundTrip(req) })
}

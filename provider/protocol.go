package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// guarded serves the protocol as pulumi-go-provider does, but for three things: a panic is the error of the one call and not
// the end of every other; customTimeouts hold to the millisecond, where the framework cuts them to whole seconds; and texts of
// others are fit to be shown.
func guarded(inner p.Provider) p.Provider {
	out := inner
	out.CheckConfig = call("CheckConfig", none, inner.CheckConfig)
	out.DiffConfig = call("DiffConfig", none, inner.DiffConfig)
	out.Configure = only("Configure", none, inner.Configure)
	out.Invoke = call("Invoke", none, inner.Invoke)
	out.Check = call("Check", none, inner.Check)
	out.Diff = call("Diff", none, inner.Diff)
	out.Create = call("create", func(r *p.CreateRequest) *float64 { return &r.Timeout }, inner.Create)
	out.Read = call("Read", none, inner.Read)
	out.Update = call("update", func(r *p.UpdateRequest) *float64 { return &r.Timeout }, inner.Update)
	out.Delete = only("delete", func(r *p.DeleteRequest) *float64 { return &r.Timeout }, inner.Delete)
	return out
}

// none is the timeout of a request that has none.
func none[Req any](*Req) *float64 { return nil }

func call[Req, Res any](name string, timeout func(*Req) *float64, inner func(context.Context, Req) (Res, error)) func(context.Context, Req) (Res, error) {
	if inner == nil {
		return nil
	}
	return func(ctx context.Context, req Req) (res Res, err error) {
		ctx, stop := within(ctx, name, timeout(&req))
		defer stop()
		res, err = rescue.Value(func() (Res, error) { return inner(ctx, req) })
		if _, told := errors.AsType[*stoppedError](err); !told && errors.Is(err, context.Canceled) {
			err = fmt.Errorf("the %s was canceled: %w", strings.ToLower(name), err)
		}
		showResponse(&res)
		return res, showError(report(ctx, name, err))
	}
}

func only[Req any](name string, timeout func(*Req) *float64, inner func(context.Context, Req) error) func(context.Context, Req) error {
	if inner == nil {
		return nil
	}
	called := call(name, timeout, func(ctx context.Context, req Req) (struct{}, error) { return struct{}{}, inner(ctx, req) })
	return func(ctx context.Context, req Req) error {
		_, err := called(ctx, req)
		return err
	}
}

// within bounds a call by its customTimeouts and takes them out of the request, so that nobody else rounds them. Zero is no
// bound, as it is for the engine.
func within(ctx context.Context, name string, seconds *float64) (context.Context, func()) {
	if seconds == nil || *seconds <= 0 {
		return ctx, func() {}
	}
	limit := time.Duration(*seconds * float64(time.Second))
	*seconds = 0
	return context.WithTimeoutCause(ctx, limit, &limitError{limit: limit, input: "customTimeouts." + name})
}

// report turns a panic into an error that says where it happened and where to send it.
func report(ctx context.Context, name string, err error) error {
	caught, ok := errors.AsType[*rescue.PanicError](err)
	if !ok {
		return err
	}
	loggerOf(ctx).debugf("%s: %v\n%s", name, caught.Value, caught.Stack)
	if direct, ok := err.(*rescue.PanicError); ok { //nolint:errorlint // with words around it, it has a subject already
		err = fmt.Errorf("%s %w", name, direct)
	}
	return fmt.Errorf("%w. Nothing is known to be lost; please report this line at "+
		"https://github.com/pulumi-buildkit/pulumi-buildkit/issues", err)
}

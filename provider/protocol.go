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

// guardProvider returns a provider that serves the protocol as pulumi-go-provider does, with three differences. A panic
// is the error of one call and does not end the others. customTimeouts are exact, where the framework cuts them to
// whole seconds. Foreign text is made safe to show.
func guardProvider(inner p.Provider) p.Provider {
	out := inner
	out.CheckConfig = wrap("CheckConfig", noTimeout, inner.CheckConfig)
	out.DiffConfig = wrap("DiffConfig", noTimeout, inner.DiffConfig)
	out.Configure = wrapWithoutResult("Configure", noTimeout, inner.Configure)
	out.Invoke = wrap("Invoke", noTimeout, inner.Invoke)
	out.Check = wrap("Check", noTimeout, inner.Check)
	out.Diff = wrap("Diff", noTimeout, inner.Diff)
	out.Create = wrap("create", func(r *p.CreateRequest) *float64 { return &r.Timeout }, inner.Create)
	out.Read = wrap("Read", noTimeout, inner.Read)
	out.Update = wrap("update", func(r *p.UpdateRequest) *float64 { return &r.Timeout }, inner.Update)
	out.Delete = wrapWithoutResult("delete", func(r *p.DeleteRequest) *float64 { return &r.Timeout }, inner.Delete)
	return out
}

// noTimeout returns nil for a request that has no timeout.
func noTimeout[Req any](*Req) *float64 { return nil }

// wrap returns a call that has a time limit, turns a panic into an error and returns texts that are safe to show.
func wrap[Req, Res any](
	name string, timeout func(*Req) *float64, inner func(context.Context, Req) (Res, error),
) func(context.Context, Req) (Res, error) {
	if inner == nil {
		return nil
	}
	return func(ctx context.Context, req Req) (res Res, err error) {
		ctx, stop := withTimeout(ctx, name, timeout(&req))
		defer stop()
		res, err = rescue.Value(func() (Res, error) { return inner(ctx, req) })
		if _, ok := errors.AsType[*stoppedError](err); !ok && errors.Is(err, context.Canceled) {
			err = fmt.Errorf("the %s was canceled: %w", strings.ToLower(name), err)
		}
		showResponse(&res)
		return res, showError(explainPanic(ctx, name, err))
	}
}

// wrapWithoutResult does the same for a call without a result.
func wrapWithoutResult[Req any](
	name string, timeout func(*Req) *float64, inner func(context.Context, Req) error,
) func(context.Context, Req) error {
	if inner == nil {
		return nil
	}
	wrapped := wrap(name, timeout, func(ctx context.Context, req Req) (struct{}, error) {
		return struct{}{}, inner(ctx, req)
	})
	return func(ctx context.Context, req Req) error {
		_, err := wrapped(ctx, req)
		return err
	}
}

// withTimeout limits a call by its customTimeouts. It takes them out of the request, so that the framework does not
// round them. Zero is no limit, as it is for the engine.
func withTimeout(ctx context.Context, name string, seconds *float64) (context.Context, func()) {
	if seconds == nil || *seconds <= 0 {
		return ctx, func() {}
	}
	limit := time.Duration(*seconds * float64(time.Second))
	*seconds = 0
	return context.WithTimeoutCause(ctx, limit, &limitError{limit: limit, input: "customTimeouts." + name})
}

// explainPanic turns a panic into an error that says where it happened and where to report it. Other errors stay as
// they are.
func explainPanic(ctx context.Context, name string, err error) error {
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

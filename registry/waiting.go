package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// WaitKind says what a call of this package waits for.
type WaitKind int

// The kinds of waits.
const (
	WaitAnswer WaitKind = iota // the answer to a request
	WaitHelper                 // a credential helper
	WaitCloud                  // a cloud, for a login to its registry
	WaitPause                  // the time to ask again
)

// Wait is something that a call of this package waits for. It holds no secret and no query of a URL.
type Wait struct {
	Kind     WaitKind
	Host     string        // the host that gets the request, now or after the pause; the registry for a login
	Registry string        // the registry whose token server or storage Host is; "" if Host is the registry
	Request  string        // such as "HEAD /v2/app/manifests/1"; for another host than the registry, the method alone
	Helper   string        // the program
	Pause    time.Duration // the length of the pause
	Failure  error         // the reason of the pause
}

// Watch hears of a wait that begins, from any goroutine. It returns a function to call when the wait has ended, once or
// more often. A nil Watch hears nothing.
type Watch func(Wait) (end func())

// begin tells of a wait, and returns what to call at its end.
func (w Watch) begin(wait Wait) (end func()) {
	if w == nil {
		return func() {}
	}
	return w(wait)
}

// watchPause returns the watch of the pauses before host is asked again.
func (w Watch) watchPause(host string) func(fault.Pause) (end func()) {
	return func(p fault.Pause) (end func()) {
		return w.begin(Wait{Kind: WaitPause, Host: host, Pause: p.Length, Failure: p.Failure})
	}
}

// waitError is the end of a context, with what the call was waiting for.
type waitError struct {
	wait  Wait
	cause error
}

// Error names the wait and its cause.
func (e *waitError) Error() string {
	switch w := e.wait; {
	case w.Kind == WaitHelper:
		return fmt.Sprintf("%s was asked for a login: %v", w.Helper, e.cause)
	case w.Registry != "":
		return fmt.Sprintf("%s to %s, where %s leads: %v", w.Request, w.Host, w.Registry, e.cause)
	default:
		return fmt.Sprintf("%s: %v", w.Request, e.cause)
	}
}

// Unwrap returns the cause.
func (e *waitError) Unwrap() error { return e.cause }

// waitWatch tells a Watch of the requests that are under way. The error of a request whose context ended is a
// *waitError.
type waitWatch struct {
	next     http.RoundTripper
	watch    Watch
	registry string // host
}

// RoundTrip implements http.RoundTripper.
func (w waitWatch) RoundTrip(req *http.Request) (*http.Response, error) {
	wait := Wait{Host: fault.CanonicalHost(req.URL.Host), Request: req.Method}
	switch {
	case wait.Host != w.registry:
		wait.Registry = w.registry
	case strings.HasPrefix(req.URL.Path, "/v2/"):
		wait.Request += " " + req.URL.Path
	}
	end := sync.OnceFunc(w.watch.begin(wait))
	resp, err := w.next.RoundTrip(req)
	if err != nil {
		end()
		return resp, wait.explain(req.Context(), err)
	}
	resp.Body = &watchedBody{ReadCloser: resp.Body, ctx: req.Context(), wait: wait, end: end}
	return resp, nil
}

// explain returns a *waitError when ctx has ended, else err.
func (w Wait) explain(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return &waitError{wait: w, cause: err}
}

// explainEnd returns the cause of a context that has ended, with what err says that its call was waiting for.
func explainEnd(ctx context.Context, err error) error {
	if lookup, ok := errors.AsType[keychainError](err); ok {
		err = lookup.error
	}
	if waited, ok := errors.AsType[*waitError](err); ok {
		return &waitError{wait: waited.wait, cause: context.Cause(ctx)}
	}
	return context.Cause(ctx)
}

// watchedBody ends a wait when it has been read or closed.
type watchedBody struct {
	io.ReadCloser
	ctx  context.Context //nolint:containedctx // of the request
	wait Wait
	end  func()
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF { //nolint:errorlint // io.Reader returns the bare value
		b.end()
		return n, err
	}
	if err != nil {
		b.end()
		err = b.wait.explain(b.ctx, err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *watchedBody) Close() error {
	b.end()
	return b.ReadCloser.Close()
}

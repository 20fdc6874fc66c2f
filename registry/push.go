package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// PushError is why a daemon could not push to a repository. errors.Is finds the sentinels of package fault in it.
type PushError struct {
	// Repository is the canonical host/path, as the daemon named it. It is the host alone where a login failed, to pull
	// or to push.
	Repository string
	// Temporary: the same push is likely to succeed later.
	Temporary bool
	// Refused: the registry refused the credentials, and there may be other ones after Keychain.Invalidate.
	Refused bool

	cause error
	// requestedPause is the pause that a token server wants.
	requestedPause time.Duration
	// droppedConnection: the registry ended the connection to an upload without a word.
	droppedConnection bool
	// maybePermanent: nobody knows whether the failure is temporary.
	maybePermanent bool
}

// maybePermanentBudget is how long PushRetry repeats a push that may fail for ever, in the hope that the registry was
// merely restarting.
const maybePermanentBudget = 30 * time.Second

// Error names the repository and the cause.
func (e *PushError) Error() string {
	if !strings.Contains(e.Repository, "/") {
		return e.cause.Error()
	}
	return fmt.Sprintf("pushing to %s: %v", e.Repository, e.cause)
}

// Unwrap returns the cause, for errors.Is.
func (e *PushError) Unwrap() error { return e.cause }

// PushRetry decides whether to try a push again that failed. It remembers the failures of one push.
type PushRetry struct {
	client       *Client
	count        int             // of the failures so far
	firstFailure time.Time       // of this push
	renewedHosts map[string]bool // those whose credentials Next has renewed
}

// PushRetry begins to count the failures of a push. When Options.Budget has passed since the first one, there is no
// further try.
func (c *Client) PushRetry() *PushRetry {
	return &PushRetry{client: c, renewedHosts: map[string]bool{}}
}

// Next returns the pause before the next try of a push. There is one if the push failed for a reason that is likely to
// pass: 429, 5xx, a broken connection, or a token that expired, which Next has renewed. The daemon still has what it
// built, and only uploads again. The pauses are those of Options.
//
// When there is to be no further try, Next returns a *PushError, or failure itself if that is not about a push.
func (r *PushRetry) Next(ctx context.Context, failure error) (PushPause, error) {
	failure = r.client.ExplainPush(failure)
	pushed, ok := errors.AsType[*PushError](failure)
	if !ok {
		return PushPause{}, failure
	}
	if ctx.Err() != nil {
		return PushPause{}, context.Cause(ctx)
	}
	if r.count++; r.count == 1 {
		r.firstFailure = time.Now()
	}
	if host := hostOfRepository(pushed.Repository); pushed.Refused && !r.renewedHosts[host] {
		r.renewedHosts[host] = true
		r.client.options.Log.DebugContext(ctx, "credential refused", "host", host, "renewable", true)
		r.client.keychain.Invalidate(host)
		return PushPause{}, nil
	}
	return r.pauseAfter(ctx, pushed)
}

// pauseAfter returns the pause after a failure that no other credentials would mend. It returns the failure when there
// is to be no further try.
func (r *PushRetry) pauseAfter(ctx context.Context, failure *PushError) (PushPause, error) {
	if failure.droppedConnection {
		failure = r.client.checkRepository(ctx, failure)
	}
	budget := r.client.options.Budget
	if failure.maybePermanent {
		budget = min(budget, maybePermanentBudget)
	}
	requested := max(failure.requestedPause, r.client.requestedPause(ctx, failure))
	wait, ok := fault.Backoff(r.client.options.RetryWaits).PauseAfter(r.count, requested)
	if failure.Temporary && ok && time.Since(r.firstFailure)+wait <= budget {
		next := fault.Pause{Failure: failure, Tries: r.count, Length: wait}
		next.Log(ctx, r.client.options.Log, hostOfRepository(failure.Repository), "push")
		return PushPause{failure: failure, length: wait, watch: r.client.options.Watch}, nil
	}
	over := &fault.RetriesExhausted{Err: failure.cause, Tries: r.count, Took: time.Since(r.firstFailure)}
	if failure.Temporary && ok && requested > 0 {
		over.TooLong = wait
	}
	failure.cause = over
	return PushPause{}, failure
}

// PushPause is the time before a further try of a push.
type PushPause struct {
	failure *PushError // nil: there is no pause
	length  time.Duration
	watch   Watch
}

// String names the failure and the time of the next try; "" when that is at once.
func (p PushPause) String() string {
	if p.failure == nil {
		return ""
	}
	return fmt.Sprintf("%v; trying again in %s", p.failure, p.length.Round(time.Second/10))
}

// Length is how long the pause is.
func (p PushPause) Length() time.Duration { return p.length }

// Wait waits until the next try may begin. It returns the cause when ctx ends first.
func (p PushPause) Wait(ctx context.Context) error {
	if p.failure == nil {
		return nil
	}
	onPause := p.watch.watchPause(hostOfRepository(p.failure.Repository))
	defer onPause(fault.Pause{Failure: p.failure, Length: p.length})()
	return fault.Sleep(ctx, p.length)
}

// requestedPause returns the pause that a registry wants after too many requests; 0 if it wants none.
//
// A daemon does not pass on the Retry-After that it got, and so requestedPause asks the registry once more, in a way
// that changes nothing.
func (c *Client) requestedPause(ctx context.Context, failure *PushError) time.Duration {
	if !errors.Is(failure, fault.ErrRateLimited) {
		return 0
	}
	c = c.singleTryClient()
	ctx, stop := c.withBudget(ctx)
	defer stop()
	s, err := c.session(ctx, failure.Repository, pull)
	if err == nil {
		_, err = s.send(ctx, request{method: http.MethodHead, path: "manifests/latest", accept: acceptedTypes})
	}
	return fault.RetryAfter(err)
}

// singleTryLimit bounds a question whose answer only helps.
const singleTryLimit = 5 * time.Second

// singleTryClient returns a client that asks once, for five seconds at most.
func (c *Client) singleTryClient() *Client {
	o := c.options
	o.Timeout, o.Budget, o.RetryWaits = min(o.Timeout, singleTryLimit), singleTryLimit, []time.Duration{}
	return New(c.keychain, o)
}

// checkRepository asks whether the repository is there at all, and returns the failure, with ErrNoRepository when it is
// not. Amazon ECR used to answer by a connection that ends.
func (c *Client) checkRepository(ctx context.Context, failure *PushError) *PushError {
	tag, err := ParseTag(failure.Repository + ":latest")
	if err != nil {
		return failure
	}
	if _, err := c.singleTryClient().Resolve(ctx, tag); errors.Is(err, fault.ErrNoRepository) {
		failure.Temporary, failure.cause = false, errors.Unwrap(err)
	}
	return failure
}

package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// PushError is why a daemon could not push to a repository. errors.Is finds the sentinels of this package in it.
type PushError struct {
	// Repository is the canonical host/path, as the daemon named it; the host alone where a login failed, to pull or to push.
	Repository string
	// Temporary: the same push is likely to succeed later.
	Temporary bool
	// Refused: the credentials were, and there may be other ones after Keychain.Invalidate.
	Refused bool

	cause error
	// asked is the pause that a token server wants.
	asked time.Duration
	// unsaid: the registry ended the connection to an upload without a word. doubtful: nobody knows whether it is temporary.
	unsaid, doubtful bool
}

// doubtfulBudget is how long a push is repeated that may fail for ever, in the hope that the registry was merely restarting.
const doubtfulBudget = 30 * time.Second

// Error says where and why.
func (e *PushError) Error() string {
	if !strings.Contains(e.Repository, "/") {
		return e.cause.Error()
	}
	return fmt.Sprintf("pushing to %s: %v", e.Repository, e.cause)
}

// Unwrap is for errors.Is.
func (e *PushError) Unwrap() error { return e.cause }

// PushRetry decides whether a push that failed is to be tried again. It remembers the failures of one push.
type PushRetry struct {
	client  *Client
	count   int             // of the failures so far
	failed  time.Time       // for the first time
	renewed map[string]bool // hosts
}

// PushRetry begins to count the failures of a push. After the first one there is no further try when Options.Budget is over.
func (c *Client) PushRetry() *PushRetry {
	return &PushRetry{client: c, renewed: map[string]bool{}}
}

// Next returns the pause before the next try of a push that failed for a reason that is likely to pass: 429, 5xx, a broken
// connection, or a token that expired, which Next has renewed. The daemon still has what it built, and only uploads again.
// The pauses are those of Options.
//
// When there is to be no further try, the error is a *PushError, or failure itself if that is not about a push.
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
		r.failed = time.Now()
	}
	if host := hostOf(pushed.Repository); pushed.Refused && !r.renewed[host] {
		r.renewed[host] = true
		r.client.keychain.Invalidate(host)
		return PushPause{}, nil
	}
	return r.pauseAfter(ctx, pushed)
}

// pauseAfter returns the pause after a failure that no other credentials would mend. It returns the failure when there is
// to be no further try.
func (r *PushRetry) pauseAfter(ctx context.Context, failure *PushError) (PushPause, error) {
	if failure.unsaid {
		failure = r.client.missing(ctx, failure)
	}
	budget := r.client.options.Budget
	if failure.doubtful {
		budget = min(budget, doubtfulBudget)
	}
	asked := max(failure.asked, r.client.pauseAsked(ctx, failure))
	wait, again := waits(r.client.options.RetryWaits).after(r.count, asked)
	if failure.Temporary && again && time.Since(r.failed)+wait <= budget {
		return PushPause{failure: failure, length: wait, watch: r.client.options.Watch}, nil
	}
	over := &exhausted{error: failure.cause, tries: r.count, took: time.Since(r.failed)}
	if failure.Temporary && again && asked > 0 {
		over.tooLong = wait
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

// String says what failed and when the next try is, "" when that is at once.
func (p PushPause) String() string {
	if p.failure == nil {
		return ""
	}
	return fmt.Sprintf("%v; trying again in %s", p.failure, p.length.Round(time.Second/10))
}

// Wait waits until the next try may begin. Its error is why ctx ended.
func (p PushPause) Wait(ctx context.Context) error {
	if p.failure == nil {
		return nil
	}
	defer p.watch.pausing(hostOf(p.failure.Repository))(p.failure, p.length)()
	return pause(ctx, p.length)
}

// pauseAsked is how long a registry that is asked too often wants to be left alone. A daemon does not pass its Retry-After on, and so it
// is asked for once more, in a way that changes nothing.
func (c *Client) pauseAsked(ctx context.Context, failure *PushError) time.Duration {
	if !errors.Is(failure, ErrRateLimited) {
		return 0
	}
	c = c.glancing()
	ctx, stop := c.within(ctx)
	defer stop()
	s, err := c.session(ctx, failure.Repository, pull)
	if err == nil {
		_, err = s.send(ctx, request{method: http.MethodHead, path: "manifests/latest", accept: accepted})
	}
	return pauseAskedBy(err)
}

// glanceLimit is how long a question may take whose answer only helps.
const glanceLimit = 5 * time.Second

// glancing is a client that asks once.
func (c *Client) glancing() *Client {
	o := c.options
	o.Timeout, o.Budget, o.RetryWaits = min(o.Timeout, glanceLimit), glanceLimit, []time.Duration{}
	return New(c.keychain, o)
}

// missing asks whether the repository is there at all: that is how Amazon ECR used to say that it is not.
func (c *Client) missing(ctx context.Context, failure *PushError) *PushError {
	tag, err := ParseTag(failure.Repository + ":latest")
	if err != nil {
		return failure
	}
	if _, err := c.glancing().Resolve(ctx, tag); errors.Is(err, ErrNoRepository) {
		failure.Temporary, failure.cause = false, errors.Unwrap(err)
	}
	return failure
}

// ExplainPush reads a *DaemonError about a push that failed, in BuildKit's words, and returns it as a *PushError. An error of Keychain.Lookup or Client.Token that the daemon was given with ForDaemon is returned as it was. It returns any other cause of a
// *DaemonError, one of the build for example, and any other error as they are.
func (c *Client) ExplainPush(err error) error {
	said, ok := errors.AsType[*DaemonError](err)
	if !ok {
		return err
	}
	host, told := c.keychain.matchError(said.Text)
	if said.Repository == "" {
		return c.explainLogin(said, host, told)
	}
	failure, p := &PushError{Repository: said.Repository}, c.party(said.Repository)
	pushed := parsePush(said.Text)
	switch {
	case told != nil:
		failure.explainTold(told, p)
	case said.Stalled > 0:
		text := fmt.Sprintf("%v: no answer within %s", ErrUnreachable, said.Stalled)
		failure.cause = p.newError(BrokenConnection, text, ErrUnreachable)
		failure.Temporary = true
	case pushed.answered:
		explainRefusedPush(failure, p, pushed)
	default:
		explainBrokenPush(failure, p, pushed)
	}
	return failure
}

// explainLogin returns the error of what was no push. told is the error that the daemon got when it asked for a login of
// host, nil if it was none.
func (c *Client) explainLogin(said *DaemonError, host string, told error) error {
	if told == nil {
		return said.Cause
	}
	failure := &PushError{Repository: host}
	failure.explainTold(told, c.party(host))
	if failure.Temporary || failure.Refused {
		return failure
	}
	return told
}

// explainTold is about a login that we failed at ourselves: its own tries are over, the push's need not be.
func (e *PushError) explainTold(told error, p party) {
	e.cause = told
	if over, is := errors.AsType[*exhausted](told); is {
		e.Temporary, e.asked = true, over.asked
	}
	e.Refused = p.given.renewable && errors.Is(told, ErrUnauthorized)
}

// party is what is known of the host of a repository to which a daemon pushed: what we gave the daemon for it.
func (c *Client) party(repository string) party {
	host, path, _ := strings.Cut(repository, "/")
	host = canonicalHost(host)
	given, asked := c.keychain.last(host)
	return party{
		host: host, repository: path, ecr: c.keychain.isECR(host), anonymous: asked && given.Anonymous(),
		given: given.finding, daemon: true,
	}
}

func hostOf(repository string) string {
	host, _, _ := strings.Cut(repository, "/")
	return host
}

// lasts reports whether an answer stays the same for as long as nobody changes something at the registry.
func lasts(err error) bool {
	return slices.ContainsFunc([]error{ErrLimit, ErrQuota, ErrTooLarge, ErrNoStorage, ErrReadOnly, ErrManifestRefused},
		func(lasting error) bool { return errors.Is(err, lasting) })
}

// explainRefusedPush is about an answer of the registry.
func explainRefusedPush(failure *PushError, p party, pushed pushText) {
	pushed.said = oneLine(p.given.redacted(pushed.said))
	pushed.words = unnamed(pushed.words, p.repository)
	failure.cause = p.explain(pushed.refusal)
	if pushed.isLost() {
		text := fmt.Sprintf("%v; %s does not have what it was given a moment ago", failure.cause, p.host)
		failure.cause = p.newError(ContentLost, text, failure.cause)
	}
	_, known := pushed.class()
	// The answer to a HEAD has no words: what looks like a missing right may be an expired token.
	wordless := errors.Is(failure.cause, ErrDenied) && pushed.words == ""
	failure.Refused = p.given.renewable && (errors.Is(failure.cause, ErrUnauthorized) || wordless)
	failure.doubtful = !known && pushed.isUnknown() && !pushed.isLost()
	if lasts(failure.cause) {
		return
	}
	failure.Temporary = errors.Is(failure.cause, ErrRateLimited) || isPassing(pushed.status) || slices.Contains(pushed.codes, transport.UnavailableErrorCode) ||
		pushed.isLost() || failure.doubtful
}

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

// Push runs push, by which a daemon uploads, and runs it again as long as it fails for a reason that is likely to pass: 429, 5xx, a broken
// connection, a token that expired, which Push has renewed. What push built the daemon still has, so that only the upload is repeated.
// The pauses are those of Options; after the first failure Push begins no further try when Options.Budget is over. tell gets a line before
// each pause.
//
// Errors: a *PushError; what push returned, if that was not about a push.
func (c *Client) Push(ctx context.Context, tell func(line string), push func(context.Context) error) error {
	tries := pushTries{client: c, tell: tell, renewed: map[string]bool{}}
	for {
		err := c.ExplainPush(push(ctx))
		failure, is := errors.AsType[*PushError](err)
		if !is {
			return err
		}
		if err := tries.next(ctx, failure); err != nil {
			return err
		}
	}
}

// pushTries are the failures so far.
type pushTries struct {
	client  *Client
	tell    func(line string)
	count   int
	failed  time.Time       // for the first time
	renewed map[string]bool // hosts
}

// next waits until the next try may begin, or says why there is none.
func (t *pushTries) next(ctx context.Context, failure *PushError) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if t.count++; t.count == 1 {
		t.failed = time.Now()
	}
	if host := hostOf(failure.Repository); failure.Refused && !t.renewed[host] {
		t.renewed[host] = true
		t.client.keychain.Invalidate(host)
		return nil
	}
	if failure.unsaid {
		failure = t.client.missing(ctx, failure)
	}
	budget := t.client.options.Budget
	if failure.doubtful {
		budget = min(budget, doubtfulBudget)
	}
	asked := max(failure.asked, t.client.pauseAsked(ctx, failure))
	wait, again := waits(t.client.options.RetryWaits).after(t.count, asked)
	if !failure.Temporary || !again || time.Since(t.failed)+wait > budget {
		over := &exhausted{error: failure.cause, tries: t.count, took: time.Since(t.failed)}
		if failure.Temporary && again && asked > 0 {
			over.tooLong = wait
		}
		failure.cause = over
		return failure
	}
	t.tell(fmt.Sprintf("%v; trying again in %s", failure, wait.Round(time.Second/10)))
	defer t.client.options.Watch.pausing(hostOf(failure.Repository))(failure, wait)()
	return pause(ctx, wait)
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

package registry

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// ExplainPush reads a *DaemonError about a push that failed, and returns it as a *PushError. It returns an error of
// Keychain.Lookup or Client.Token that the daemon got from ForDaemon as it was. It returns any other cause of a
// *DaemonError, one of the build for example, and any other error as they are.
func (c *Client) ExplainPush(err error) error {
	said, ok := errors.AsType[*DaemonError](err)
	if !ok {
		return err
	}
	host, loginErr := c.keychain.loginHistory().matchError(said.Text)
	if said.Repository == "" {
		return c.explainLogin(said, host, loginErr)
	}
	failure, p := &PushError{Repository: said.Repository}, c.peer(said.Repository)
	pushed := parsePush(said.Text)
	switch {
	case loginErr != nil:
		failure.explainLogin(loginErr, p)
	case said.Stalled > 0:
		text := fmt.Sprintf("%v: no answer within %s", fault.ErrUnreachable, said.Stalled)
		failure.cause = p.newError(fault.BrokenConnection, text, fault.ErrUnreachable)
		failure.Temporary = true
	case pushed.isAnswer:
		explainRefusedPush(failure, p, pushed)
	default:
		explainBrokenPush(failure, p, pushed)
	}
	return failure
}

// explainLogin returns the error of a daemon's work that was no push. loginErr is the error that the daemon got when it
// asked for a login of host; nil if it got none.
func (c *Client) explainLogin(said *DaemonError, host string, loginErr error) error {
	if loginErr == nil {
		return said.Cause
	}
	failure := &PushError{Repository: host}
	failure.explainLogin(loginErr, c.peer(host))
	if failure.Temporary || failure.Refused {
		return failure
	}
	return loginErr
}

// explainLogin makes a failed login of our own the cause. The tries of the login are over, those of the push need not
// be.
func (e *PushError) explainLogin(loginErr error, p peer) {
	e.cause = loginErr
	if over, ok := errors.AsType[*fault.RetriesExhausted](loginErr); ok {
		e.Temporary, e.requestedPause = true, over.Requested
	}
	e.Refused = p.given.renewable && errors.Is(loginErr, fault.ErrUnauthorized)
}

// peer returns what is known of the host of a repository to which a daemon pushed, and what the daemon was given for
// it.
func (c *Client) peer(repository string) peer {
	host, path, _ := strings.Cut(repository, "/")
	host = fault.CanonicalHost(host)
	given, ok := c.keychain.loginHistory().last(host)
	return peer{
		host: host, repository: path, ecr: c.keychain.isECR(host), anonymous: ok && given.Anonymous(),
		given: given, daemon: true,
	}
}

// hostOfRepository returns the host of a host/path.
func hostOfRepository(repository string) string {
	host, _, _ := strings.Cut(repository, "/")
	return host
}

// permanent holds the answers that stay the same until somebody changes something at the registry.
var permanent = []error{
	fault.ErrLimit, fault.ErrQuota, fault.ErrTooLarge, fault.ErrNoStorage, fault.ErrReadOnly, fault.ErrManifestRefused,
}

// isPermanent reports whether an answer stays the same until somebody changes something at the registry.
func isPermanent(err error) bool {
	return slices.ContainsFunc(permanent, func(answer error) bool { return errors.Is(err, answer) })
}

// explainRefusedPush fills in the cause of a push that the registry refused.
func explainRefusedPush(failure *PushError, p peer, pushed pushText) {
	pushed.Said = fault.OneLine(p.given.redact(pushed.Said))
	pushed.Words = withoutRepository(pushed.Words, p.repository)
	failure.cause = p.explain(pushed.Refusal)
	if pushed.isLost() {
		text := fmt.Sprintf("%v; %s does not have what it was given a moment ago", failure.cause, p.host)
		failure.cause = p.newError(fault.ContentLost, text, failure.cause)
	}
	_, ok := pushed.Class()
	// The answer to a HEAD has no words: what looks like a missing right may be an expired token.
	wordless := errors.Is(failure.cause, fault.ErrDenied) && pushed.Words == ""
	failure.Refused = p.given.renewable && (errors.Is(failure.cause, fault.ErrUnauthorized) || wordless)
	failure.maybePermanent = !ok && pushed.isUnknown() && !pushed.isLost()
	if isPermanent(failure.cause) {
		return
	}
	failure.Temporary = errors.Is(failure.cause, fault.ErrRateLimited) || fault.IsTransientStatus(pushed.Status) ||
		slices.Contains(pushed.Codes, transport.UnavailableErrorCode) || pushed.isLost() || failure.maybePermanent
}

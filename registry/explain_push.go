package registry

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// ExplainPush reads a *DaemonError about a push that failed, in BuildKit's words, and returns it as a *PushError. An
// error of Keychain.Lookup or Client.Token that the daemon was given with ForDaemon is returned as it was. It returns
// any other cause of a *DaemonError, one of the build for example, and any other error as they are.
func (c *Client) ExplainPush(err error) error {
	said, ok := errors.AsType[*DaemonError](err)
	if !ok {
		return err
	}
	host, told := c.keychain.loginHistory().matchError(said.Text)
	if said.Repository == "" {
		return c.explainLogin(said, host, told)
	}
	failure, p := &PushError{Repository: said.Repository}, c.peer(said.Repository)
	pushed := parsePush(said.Text)
	switch {
	case told != nil:
		failure.explainLogin(told, p)
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

// explainLogin returns the error of what was no push. told is the error that the daemon got when it asked for a login
// of host, nil if it was none.
func (c *Client) explainLogin(said *DaemonError, host string, told error) error {
	if told == nil {
		return said.Cause
	}
	failure := &PushError{Repository: host}
	failure.explainLogin(told, c.peer(host))
	if failure.Temporary || failure.Refused {
		return failure
	}
	return told
}

// explainLogin makes a failed login of our own the cause. Its own tries are over, those of the push need not be.
func (e *PushError) explainLogin(told error, p peer) {
	e.cause = told
	if over, ok := errors.AsType[*fault.RetriesExhausted](told); ok {
		e.Temporary, e.requestedPause = true, over.Requested
	}
	e.Refused = p.given.renewable && errors.Is(told, fault.ErrUnauthorized)
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

func hostOfRepository(repository string) string {
	host, _, _ := strings.Cut(repository, "/")
	return host
}

// isPermanent reports whether an answer stays the same for as long as nobody changes something at the registry.
func isPermanent(err error) bool {
	return slices.ContainsFunc([]error{fault.ErrLimit, fault.ErrQuota, fault.ErrTooLarge, fault.ErrNoStorage, fault.ErrReadOnly, fault.ErrManifestRefused},
		func(lasting error) bool { return errors.Is(err, lasting) })
}

// explainRefusedPush is about an answer of the registry.
func explainRefusedPush(failure *PushError, p peer, pushed pushText) {
	pushed.Said = fault.OneLine(p.given.redact(pushed.Said))
	pushed.Words = withoutRepository(pushed.Words, p.repository)
	failure.cause = p.explain(pushed.Refusal)
	if pushed.isLost() {
		text := fmt.Sprintf("%v; %s does not have what it was given a moment ago", failure.cause, p.host)
		failure.cause = p.newError(fault.ContentLost, text, failure.cause)
	}
	_, known := pushed.Class()
	// The answer to a HEAD has no words: what looks like a missing right may be an expired token.
	wordless := errors.Is(failure.cause, fault.ErrDenied) && pushed.Words == ""
	failure.Refused = p.given.renewable && (errors.Is(failure.cause, fault.ErrUnauthorized) || wordless)
	failure.maybePermanent = !known && pushed.isUnknown() && !pushed.isLost()
	if isPermanent(failure.cause) {
		return
	}
	failure.Temporary = errors.Is(failure.cause, fault.ErrRateLimited) || fault.IsTransientStatus(pushed.Status) || slices.Contains(pushed.Codes, transport.UnavailableErrorCode) ||
		pushed.isLost() || failure.maybePermanent
}

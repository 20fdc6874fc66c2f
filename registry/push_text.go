package registry

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// DaemonError is what a daemon says of its work with registries. Client.PushRetry and Client.ExplainPush read it.
type DaemonError struct {
	Repository string        // host/path of the push that failed; "" when it was no push
	Text       string        // what the daemon says
	Stalled    time.Duration // how long the registry did not answer before the push was ended; 0 when it did answer
	Cause      error         // the whole error
}

// Error returns the text of the whole error.
func (e *DaemonError) Error() string { return e.Cause.Error() }

// Unwrap returns the whole error.
func (e *DaemonError) Unwrap() error { return e.Cause }

// pushText is what a daemon says about a push that failed. Types do not survive the way from the daemon, so the words
// are all there is. BuildKit passes on one of these texts of containerd's. The registry did not answer in JSON:
//
//	unexpected status from PUT request to https://...: 403 Forbidden
//
// It answered in JSON; method, status and most codes are lost:
//
//	denied: requested access to the resource is denied
//
// It did not answer:
//
//	failed to do request: Put "https://...": EOF
type pushText struct {
	fault.Refusal        // of the registry, if it answered
	isAnswer      bool   // the registry answered
	rest          string // the text without what is not for the user: URLs may be signed
}

const registryCodes = "unknown|unsupported|unauthorized|denied|unavailable|toomanyrequests"

var (
	answeredStatus = regexp.MustCompile(`unexpected status from (\w+) request to \S+: (\d{3})[^\n]*`)
	notSent        = regexp.MustCompile(`failed to do request: \w+ "[^"]*": `)
	committing     = regexp.MustCompile(`failed commit on ref "[^"]*": `)
	signedURL      = regexp.MustCompile(`(https?://[^\s"?]+)\?[^\s"]*`)
	// registryWords is a line of the registry's, after the codes that containerd knows. It leaves a message out that is
	// the usual one of its code.
	registryWords = regexp.MustCompile(`(?m)^(` + registryCodes + `)(?:: (.*))?$`)
)

// parsePush reads a daemon's text about a push.
func parsePush(text string) pushText {
	p := pushText{rest: committing.ReplaceAllString(text, "")}
	p.Words = p.rest
	if status := answeredStatus.FindStringSubmatchIndex(p.rest); status != nil {
		p.Method = p.rest[status[2]:status[3]]
		p.Status, _ = strconv.Atoi(p.rest[status[4]:status[5]]) // three digits
		p.Words = p.rest[status[1]:]
	}
	p.Words = strings.TrimSpace(strings.TrimPrefix(p.Words, "errors:\n"))
	p.Codes, p.Said = registrySaid(p.Words, p.Status)
	at := registryWords.FindStringIndex(p.Words)
	p.isAnswer = p.Status != 0 || at != nil && at[0] == 0
	p.rest = signedURL.ReplaceAllString(notSent.ReplaceAllString(p.rest, ""), "$1")
	return p
}

// registrySaid reads the registry's lines.
func registrySaid(words string, status int) (codes []transport.ErrorCode, said string) {
	var messages []string
	for _, line := range registryWords.FindAllStringSubmatch(words, -1) {
		codes = append(codes, transport.ErrorCode(strings.ToUpper(line[1])))
		if message := strings.TrimSpace(line[2]); message != "" && !slices.Contains(messages, message) {
			messages = append(messages, message)
		}
	}
	if len(messages) == 0 {
		return codes, strings.ToLower(http.StatusText(status))
	}
	return codes, strings.Join(messages, ", ")
}

// isUnknown reports whether the code of the answer is lost: containerd calls most codes unknown. A passing 500 then
// looks like a manifest that the registry does not accept.
func (p pushText) isUnknown() bool {
	return p.Status == 0 && slices.Contains(p.Codes, transport.UnknownErrorCode)
}

// lostWords are those of a registry that does not have what was pushed to it a moment ago.
var lostWords = []string{"blob unknown", "required for pushing image into repository"}

// isLost reports whether the registry lost what it was given.
func (p pushText) isLost() bool {
	return slices.ContainsFunc(lostWords, func(words string) bool { return strings.Contains(p.Words, words) })
}

// brokenPush is a way in which the connection to a registry fails, by the words of Go's network packages.
type brokenPush struct {
	phrases []string
	kind    fault.Kind
}

// brokenPushes are asked in this order. A broken connection is temporary.
var brokenPushes = []brokenPush{
	{phrases: []string{"certificate has expired or is not yet valid"}, kind: fault.ExpiredCertificate},
	{phrases: []string{"x509: ", "tls: failed to verify certificate"}, kind: fault.UntrustedCertificate},
	{
		phrases: []string{
			"server gave HTTP response to HTTPS client", "first record does not look like a TLS handshake",
		},
		kind: fault.PlainHTTP,
	},
	{phrases: []string{"proxyconnect", "Proxy Authentication Required"}, kind: fault.ProxyRefused},
	{phrases: []string{"no such host"}, kind: fault.UnknownHost},
	{phrases: []string{"connection refused", "no route to host", "network is unreachable"}, kind: fault.Unreachable},
	{
		phrases: []string{
			"connection reset by peer", "broken pipe", ": EOF", "unexpected EOF", "use of closed network connection",
			"i/o timeout", "TLS handshake timeout", "Client.Timeout", "context deadline exceeded", "server misbehaving",
			"GOAWAY", "stream error: stream ID", "server closed idle connection",
		},
		kind: fault.BrokenConnection,
	},
}

// matches reports whether the words are about this kind of failure.
func (b brokenPush) matches(words string) bool {
	return slices.ContainsFunc(b.phrases, func(phrase string) bool { return strings.Contains(words, phrase) })
}

// explainBrokenPush fills in the cause of a push to a registry that did not answer.
func explainBrokenPush(failure *PushError, p peer, pushed pushText) {
	rest := fault.OneLine(p.given.redact(pushed.rest))
	if strings.Contains(rest, "got digest ") {
		failure.cause = p.newError(fault.ContentOther, fault.ErrMismatch.Error()+": "+rest, fault.ErrMismatch)
		return
	}
	for _, broken := range brokenPushes {
		if broken.matches(pushed.Words) {
			failure.cause = p.newError(broken.kind, fault.ErrUnreachable.Error()+": "+rest, fault.ErrUnreachable)
			failure.Temporary = broken.kind == fault.BrokenConnection
			failure.droppedConnection = strings.HasSuffix(pushed.Words, "EOF") &&
				strings.Contains(pushed.Words, "/blobs/uploads/")
			return
		}
	}
	failure.cause = errors.New(rest)
}

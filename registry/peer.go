package registry

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// peer is a registry that refused, and the credential that it was given.
type peer struct {
	host, repository string
	ecr              bool // Amazon's
	anonymous        bool // nothing was given
	daemon           bool // asked, and not we
	given            finding
}

// peer returns what is known of the registry, and the credential that was found for it.
func (s *session) peer() peer {
	given := s.login.found()
	return peer{
		host: s.login.host, repository: s.repository.RepositoryStr(), ecr: s.login.keychain.isECR(s.login.host),
		anonymous: given.Anonymous(), given: given,
	}
}

func (s *session) explainAnswer(e *transport.Error) error {
	return s.peer().explain(s.refusal(e))
}

// refusal is what the registry wrote, without our own request, whose path may hold any word.
func (s *session) refusal(e *transport.Error) fault.Refusal {
	bare := *e
	bare.Request = nil
	r := fault.Refusal{Status: e.StatusCode, Said: s.messageOf(e), Words: withoutRepository(bare.Error(), s.repository.RepositoryStr())}
	if e.Request != nil {
		r.Method = e.Request.Method
	}
	for _, diagnostic := range e.Errors {
		r.Codes = append(r.Codes, diagnostic.Code)
	}
	return r
}

// withoutRepository returns a registry's words without the repository's path, which may hold any of them. A path of one
// segment may itself be one of the words, as token is, or part of one, as auth is: it is meant only where it is quoted or
// part of a reference.
func withoutRepository(words, path string) string {
	if !utf8.ValidString(path) { // it is no repository's
		return words
	}
	if strings.Contains(path, "/") {
		return strings.ReplaceAll(words, path, "REPOSITORY")
	}
	return regexp.MustCompile("(['\"`/:=(\\[])"+regexp.QuoteMeta(path)+`\b`).ReplaceAllString(words, "${1}REPOSITORY")
}

// newError returns an error with what is known of the peer.
func (p peer) newError(kind fault.Kind, text string, causes ...error) *fault.Error {
	e := fault.New(kind, text, causes...)
	e.Host, e.Repository, e.Amazon, e.Daemon = p.host, p.repository, p.ecr, p.daemon
	return e
}

// explain returns the error that a refusal is: the sentinel first, then the registry's words.
func (p peer) explain(r fault.Refusal) error {
	if class, ok := r.Class(); ok {
		return p.formatError(class, r.Said)
	}
	// MANIFEST_BLOB_UNKNOWN is about what a manifest refers to, not about the manifest.
	if r.Status == http.StatusNotFound && !slices.Contains(r.Codes, transport.ManifestBlobUnknownErrorCode) {
		return p.formatError(fault.Class{Sentinel: fault.ErrNotFound}, r.Said)
	}
	if r.Status >= http.StatusInternalServerError {
		return p.newError(fault.BrokenServer, fmt.Sprintf("%d %s", r.Status, r.Said))
	}
	if r.Status == 0 {
		return errors.New(cmp.Or(r.Said, "an error that it did not explain"))
	}
	return fmt.Errorf("%d %s", r.Status, r.Said)
}

// formatError returns the error of a class. To callers without a login its fault is that they have none, and the registry's
// words are left out where they say no more. To others it tells why a login is not the cloud's.
func (p peer) formatError(a fault.Class, said string) error {
	kind, action := a.Kind, fault.DeniedAction(said)
	if a.NeedsLogin && p.anonymous {
		kind = fault.NoCredentials
		if !errors.Is(a.Sentinel, fault.ErrDenied) || said == strings.ToLower(http.StatusText(http.StatusForbidden)) {
			said = ""
		}
	}
	parts := []string{a.Sentinel.Error()}
	if said != "" && said != parts[0] {
		parts = append(parts, said)
	}
	switch kind {
	case fault.NoCredentials:
		parts = append(parts, "no credentials for "+p.host)
	case fault.CredentialsRefused:
		parts = append(parts, p.host+" refused the credentials")
	}
	instead := p.given.instead
	if !a.NeedsLogin {
		instead = nil
	}
	if instead != nil {
		parts = append(parts, instead.Error())
	}
	text := parts[0]
	if len(parts) > 1 {
		text += ": " + strings.Join(parts[1:], "; ")
	}
	e := p.newError(kind, text, a.Sentinel)
	e.Action, e.Reason = action, instead
	return e
}

// messageOf returns the message of a registry on one line, or the name of the status where there is none.
func (s *session) messageOf(e *transport.Error) string {
	var messages []string
	for _, d := range e.Errors {
		message := d.Message
		if message == "" {
			message = strings.ReplaceAll(strings.ToLower(string(d.Code)), "_", " ")
		}
		messages = append(messages, message)
	}
	text := strings.Join(messages, ", ")
	if text == "" {
		text = strings.ToLower(http.StatusText(e.StatusCode))
	}
	return s.quote(text)
}

// quote returns foreign text as it may stand in our errors: one short line without the credential.
func (s *session) quote(text string) string { return fault.OneLine(s.login.credential().redact(text)) }

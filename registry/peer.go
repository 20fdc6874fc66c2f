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

// peer is a registry that failed or refused, and the credential that it was given.
type peer struct {
	host, repository string
	ecr              bool // Amazon's
	anonymous        bool // the registry was given no credential
	daemon           bool // a daemon, and not this process, talked to the registry
	given            finding
}

// newError returns an error with what is known of the peer.
func (p peer) newError(kind fault.Kind, text string, causes ...error) *fault.Error {
	e := fault.New(kind, text, causes...)
	e.Host, e.Repository, e.Amazon, e.Daemon = p.host, p.repository, p.ecr, p.daemon
	return e
}

// explainAnswer returns the error that an answer of the registry means.
func (p peer) explainAnswer(e *transport.Error) error { return p.explain(p.refusal(e)) }

// refusal returns what the registry wrote, without our own request, whose path may hold any word.
func (p peer) refusal(e *transport.Error) fault.Refusal {
	bare := *e
	bare.Request = nil
	r := fault.Refusal{
		Status: e.StatusCode, Said: p.messageOf(e), Words: withoutRepository(bare.Error(), p.repository),
	}
	if e.Request != nil {
		r.Method = e.Request.Method
	}
	for _, diagnostic := range e.Errors {
		r.Codes = append(r.Codes, diagnostic.Code)
	}
	return r
}

// messageOf returns the message of a registry on one line, or the name of the status where there is none.
func (p peer) messageOf(e *transport.Error) string {
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
	return p.quote(text)
}

// quote returns foreign text as it may stand in our errors: one short line without the credential.
func (p peer) quote(text string) string { return fault.OneLine(p.given.redact(text)) }

// withoutRepository returns a registry's words without the repository's path, which may hold any of them. A path of one
// segment may itself be one of the words, as token is, or part of one, as auth is. It counts only where it is quoted or
// part of a reference.
func withoutRepository(words, path string) string {
	if !utf8.ValidString(path) { // no repository has such a path
		return words
	}
	if strings.Contains(path, "/") {
		return strings.ReplaceAll(words, path, "REPOSITORY")
	}
	return regexp.MustCompile("(['\"`/:=(\\[])"+regexp.QuoteMeta(path)+`\b`).ReplaceAllString(words, "${1}REPOSITORY")
}

// explain returns the error that a refusal means: the sentinel first, then the registry's words.
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

// formatError returns the error of a class. Callers without a login get NoCredentials, and not the registry's words
// where these say no more. If a cloud's login failed and another one was used instead, it appends the reason.
func (p peer) formatError(class fault.Class, said string) error {
	kind, action := class.Kind, fault.DeniedAction(said)
	if class.NeedsLogin && p.anonymous {
		kind = fault.NoCredentials
		wordless := said == strings.ToLower(http.StatusText(http.StatusForbidden))
		if wordless || !errors.Is(class.Sentinel, fault.ErrDenied) {
			said = ""
		}
	}
	parts := []string{class.Sentinel.Error()}
	if said != "" && said != parts[0] {
		parts = append(parts, said)
	}
	switch kind {
	case fault.NoCredentials:
		parts = append(parts, "no credentials for "+p.host)
	case fault.CredentialsRefused:
		parts = append(parts, p.host+" refused the credentials")
	}
	var reason error
	if class.NeedsLogin {
		reason = p.given.instead
	}
	if reason != nil {
		parts = append(parts, reason.Error())
	}
	text := parts[0]
	if len(parts) > 1 {
		text += ": " + strings.Join(parts[1:], "; ")
	}
	e := p.newError(kind, text, class.Sentinel)
	e.Action, e.Reason = action, reason
	return e
}

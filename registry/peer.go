package registry

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/foreign"
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
func (s *session) refusal(e *transport.Error) refusal {
	bare := *e
	bare.Request = nil
	r := refusal{status: e.StatusCode, said: s.messageOf(e), words: withoutRepository(bare.Error(), s.repository.RepositoryStr())}
	if e.Request != nil {
		r.method = e.Request.Method
	}
	for _, diagnostic := range e.Errors {
		r.codes = append(r.codes, diagnostic.Code)
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
func (p peer) newError(fault Fault, text string, causes ...error) *Error {
	e := newError(fault, text, causes...)
	e.Host, e.Repository, e.Amazon, e.Daemon = p.host, p.repository, p.ecr, p.daemon
	return e
}

// explain returns the error that a refusal is: the sentinel first, then the registry's words.
func (p peer) explain(r refusal) error {
	if class, ok := r.class(); ok {
		return p.formatError(class, r.said)
	}
	// MANIFEST_BLOB_UNKNOWN is about what a manifest refers to, not about the manifest.
	if r.status == http.StatusNotFound && !slices.Contains(r.codes, transport.ManifestBlobUnknownErrorCode) {
		return p.formatError(errorClass{is: ErrNotFound}, r.said)
	}
	if r.status >= http.StatusInternalServerError {
		return p.newError(BrokenServer, fmt.Sprintf("%d %s", r.status, r.said))
	}
	if r.status == 0 {
		return errors.New(cmp.Or(r.said, "an error that it did not explain"))
	}
	return fmt.Errorf("%d %s", r.status, r.said)
}

// formatError returns the error of a class. To callers without a login its fault is that they have none, and the registry's
// words are left out where they say no more. To others it tells why a login is not the cloud's.
func (p peer) formatError(a errorClass, said string) error {
	fault, action := a.fault, deniedAction(said)
	if a.needsLogin && p.anonymous {
		fault = NoCredentials
		if !errors.Is(a.is, ErrDenied) || said == strings.ToLower(http.StatusText(http.StatusForbidden)) {
			said = ""
		}
	}
	parts := []string{a.is.Error()}
	if said != "" && said != parts[0] {
		parts = append(parts, said)
	}
	switch fault {
	case NoCredentials:
		parts = append(parts, "no credentials for "+p.host)
	case CredentialsRefused:
		parts = append(parts, p.host+" refused the credentials")
	}
	instead := p.given.instead
	if !a.needsLogin {
		instead = nil
	}
	if instead != nil {
		parts = append(parts, instead.Error())
	}
	text := parts[0]
	if len(parts) > 1 {
		text += ": " + strings.Join(parts[1:], "; ")
	}
	e := p.newError(fault, text, a.is)
	e.Action, e.Reason = action, instead
	return e
}

var iamDenial = regexp.MustCompile(`is not authorized to perform: (\S+)`)

// deniedAction is what IAM does not allow, by its words.
func deniedAction(said string) string {
	if found := iamDenial.FindStringSubmatch(said); found != nil {
		return found[1]
	}
	return "that action"
}

// maxSaid is how much of a registry's words is repeated, in bytes.
const maxSaid = 300

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
func (s *session) quote(text string) string { return oneLine(s.login.credential().redact(text)) }

// oneLine returns the beginning of a text on one line. It cuts secrets first: a part of one would not be known as one.
func oneLine(text string) string {
	text = foreign.Line(strings.Join(strings.FieldsFunc(text, isBreak), " "))
	if len(text) <= maxSaid {
		return text
	}
	return strings.ToValidUTF8(text[:maxSaid], "") + "..."
}

func isBreak(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

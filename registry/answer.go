package registry

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// answer is a class of error answers: the status, the code or the phrase is enough. A method or a list of statuses narrows it.
type answer struct {
	is     error
	method string
	within []int
	status int
	code   transport.ErrorCode
	phrase string
	remedy string
	// needsLogin: without credentials the cure is to log in.
	needsLogin bool
}

// answers are asked in this order: what is said in words is more exact than the code, and the code than the status. In a remedy, HOST and
// REPOSITORY are replaced.
var answers = []answer{
	{is: ErrUnauthorized, phrase: "authorization token has expired", remedy: refusedRemedy, needsLogin: true},
	{is: ErrNoRepository, within: []int{http.StatusNotFound, http.StatusBadRequest}, phrase: "RepositoryNotFoundException",
		code: transport.NameUnknownErrorCode, remedy: "create REPOSITORY on HOST first, a push does not create it"},
	// Only a PUT can fail for it; elsewhere the word is part of somebody's tag.
	{is: ErrImmutableTag, method: http.MethodPut, phrase: "immutab",
		remedy: "use a tag that changes with its content, or let the repository move tags"},
	{is: ErrRateLimited, status: http.StatusTooManyRequests, code: transport.TooManyRequestsErrorCode,
		remedy: "wait some minutes and try again, with fewer images at once"},
	// Older registries take a digest here and nothing else.
	{is: ErrUnsupported, method: http.MethodDelete, code: transport.DigestInvalidErrorCode},
	{is: ErrUnsupported, status: http.StatusMethodNotAllowed, code: transport.UnsupportedErrorCode},
	{is: ErrDenied, status: http.StatusForbidden, code: transport.DeniedErrorCode,
		remedy: "give the user of HOST access to REPOSITORY, or log in as another", needsLogin: true},
	{is: ErrUnauthorized, status: http.StatusUnauthorized, code: transport.UnauthorizedErrorCode,
		remedy: refusedRemedy, needsLogin: true},
}

const (
	anonymousRemedy = "no credentials for HOST; log in with docker login or set registries"
	refusedRemedy   = "HOST refused the credentials; log in again with docker login HOST or correct registries"
	brokenRemedy    = "the fault is in HOST; try again later"
)

func (a answer) matches(e *transport.Error, words string) bool {
	if a.method != "" && (e.Request == nil || e.Request.Method != a.method) {
		return false
	}
	if a.within != nil && !slices.Contains(a.within, e.StatusCode) {
		return false
	}
	return a.status != 0 && a.status == e.StatusCode ||
		a.code != "" && hasCode(e, a.code) ||
		a.phrase != "" && strings.Contains(words, a.phrase)
}

// words are what the registry wrote, without our own request, whose path may hold any word.
func (s *session) words(e *transport.Error) string {
	bare := *e
	bare.Request = nil
	return strings.ReplaceAll(bare.Error(), s.repository.RepositoryStr(), "REPOSITORY")
}

func hasCode(e *transport.Error, code transport.ErrorCode) bool {
	return slices.ContainsFunc(e.Errors, func(d transport.Diagnostic) bool { return d.Code == code })
}

func (s *session) explainAnswer(e *transport.Error) error {
	said, words := s.said(e), s.words(e)
	for _, a := range answers {
		if a.matches(e, words) {
			return s.answered(a, said)
		}
	}
	// MANIFEST_BLOB_UNKNOWN is about what a manifest refers to, not about the manifest.
	if e.StatusCode == http.StatusNotFound && !hasCode(e, transport.ManifestBlobUnknownErrorCode) {
		return s.answered(answer{is: ErrNotFound}, said)
	}
	if e.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("%d %s; %s", e.StatusCode, said, s.filled(brokenRemedy))
	}
	return fmt.Errorf("%d %s", e.StatusCode, said)
}

// answered puts the sentinel first, then the registry's words, then the remedy. Who did not log in needs no other remedy.
func (s *session) answered(a answer, said string) error {
	switch {
	case a.needsLogin && s.login.credential().Anonymous():
		return fmt.Errorf("%w: %s", a.is, s.filled(anonymousRemedy))
	case said == a.is.Error():
		return a.is
	case a.remedy == "":
		return fmt.Errorf("%w: %s", a.is, said)
	}
	return fmt.Errorf("%w: %s; %s", a.is, said, s.filled(a.remedy))
}

func (s *session) filled(remedy string) string {
	return strings.NewReplacer("HOST", s.login.host, "REPOSITORY", s.repository.RepositoryStr()).Replace(remedy)
}

// maxSaid is how much of a registry's words is repeated, in bytes.
const maxSaid = 300

// said is the message of a registry on one line, or the name of the status where there is none.
func (s *session) said(e *transport.Error) string {
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
	return s.quoted(text)
}

// quoted is foreign text fit for our errors: one short line without the credential, should somebody repeat what was sent to him.
func (s *session) quoted(text string) string {
	text = strings.Join(strings.FieldsFunc(s.login.redacted(text), isBreak), " ")
	if len(text) <= maxSaid {
		return text
	}
	return strings.ToValidUTF8(text[:maxSaid], "") + "..."
}

func isBreak(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

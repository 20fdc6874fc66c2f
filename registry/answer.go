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
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/shell"
)

// party is who refused, and what he was given.
type party struct {
	host, repository string
	ecr              bool // Amazon's
	anonymous        bool // nothing was given
	given            finding
}

func (s *session) party() party {
	given := s.login.found()
	return party{
		host: s.login.host, repository: s.repository.RepositoryStr(), ecr: s.login.keychain.isECR(s.login.host),
		anonymous: given.Anonymous(), given: given,
	}
}

func (s *session) explainAnswer(e *transport.Error) error {
	return s.party().explain(s.refusal(e))
}

// refusal is what the registry wrote, without our own request, whose path may hold any word.
func (s *session) refusal(e *transport.Error) refusal {
	bare := *e
	bare.Request = nil
	r := refusal{status: e.StatusCode, said: s.said(e), words: unnamed(bare.Error(), s.repository.RepositoryStr())}
	if e.Request != nil {
		r.method = e.Request.Method
	}
	for _, diagnostic := range e.Errors {
		r.codes = append(r.codes, diagnostic.Code)
	}
	return r
}

// unnamed are a registry's words without the repository's path, which may hold any of them. A path of one segment may itself be one of the
// words, as token is, or part of one, as auth is: it is meant only where it is quoted or part of a reference.
func unnamed(words, path string) string {
	if !utf8.ValidString(path) { // it is no repository's
		return words
	}
	if strings.Contains(path, "/") {
		return strings.ReplaceAll(words, path, "REPOSITORY")
	}
	return regexp.MustCompile("(['\"`/:=(\\[])"+regexp.QuoteMeta(path)+`\b`).ReplaceAllString(words, "${1}REPOSITORY")
}

// explain puts the sentinel first, then the registry's words, then the remedy.
func (p party) explain(r refusal) error {
	if class, is := r.class(); is {
		return p.answered(class, r.said)
	}
	// MANIFEST_BLOB_UNKNOWN is about what a manifest refers to, not about the manifest.
	if r.status == http.StatusNotFound && !slices.Contains(r.codes, transport.ManifestBlobUnknownErrorCode) {
		return p.answered(answer{is: ErrNotFound}, r.said)
	}
	if r.status >= http.StatusInternalServerError {
		return fmt.Errorf("%d %s; %s", r.status, r.said, p.filled(brokenRemedy, ""))
	}
	if r.status == 0 {
		return errors.New(cmp.Or(r.said, "an error that it did not explain"))
	}
	return fmt.Errorf("%d %s", r.status, r.said)
}

// answered: who did not log in needs no other remedy, and who logged in otherwise than he would have liked to hears why. That somebody
// without a login is unauthorized needs no words of the registry's; why it denies him something may be a matter of more than the login.
func (p party) answered(a answer, said string) error {
	remedy := a.remedy
	if p.ecr && a.atECR != "" {
		remedy = a.atECR
	}
	if a.needsLogin && p.anonymous {
		remedy = anonymousRemedy
		if !errors.Is(a.is, ErrDenied) || said == strings.ToLower(http.StatusText(http.StatusForbidden)) {
			said = ""
		}
	}
	parts := []string{said, p.filled(remedy, said)}
	if a.needsLogin && p.given.instead != nil {
		parts = append(parts, p.given.instead.Error())
	}
	parts = slices.DeleteFunc(parts, func(part string) bool { return part == "" || part == a.is.Error() })
	if len(parts) == 0 {
		return a.is
	}
	return fmt.Errorf("%w: %s", a.is, strings.Join(parts, "; "))
}

func (p party) filled(remedy, said string) string {
	return strings.NewReplacer("docker login HOST", "docker login "+shell.Quote(p.host), "HOST", p.host,
		"REPOSITORY", p.repository, "ACTION", deniedAction(said)).Replace(remedy)
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
func (s *session) quoted(text string) string { return oneLine(s.login.credential().redacted(text)) }

// oneLine returns the beginning of a text on one line. It cuts secrets first: a part of one would not be known as one.
func oneLine(text string) string {
	text = foreign.Line(strings.Join(strings.FieldsFunc(text, isBreak), " "))
	if len(text) <= maxSaid {
		return text
	}
	return strings.ToValidUTF8(text[:maxSaid], "") + "..."
}

func isBreak(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

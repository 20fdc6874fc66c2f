package registrytest

import (
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
)

// The account and the region that an ECR belongs to.
const (
	Account = "123456789012"
	Region  = "eu-west-1"
)

// How a repository treats its tags. The exclusions of a repository turn it round for the tags that they match.
const (
	Mutable                = "MUTABLE"
	Immutable              = "IMMUTABLE"
	MutableWithExclusion   = "MUTABLE_WITH_EXCLUSION"
	ImmutableWithExclusion = "IMMUTABLE_WITH_EXCLUSION"
)

// tokenLife is how long a token of Amazon ECR is good.
const tokenLife = 12 * time.Hour

// ECR is a Registry with the manners of Amazon ECR, and with its API, both at the same host: the registry at /v2/, the
// API (JSON, with signatures that are read but not checked), its public twin's GetAuthorizationToken and STS's
// AssumeRole at /. Without a repository nothing can be pushed; who pushes needs a token that has not expired; tags may
// be immutable; nothing is deleted through the registry.
//
// It is as strict as the real one was seen or documented to be, and knows what the tests of this module need, no more.
type ECR struct {
	*Registry

	mu           sync.Mutex
	skew         time.Duration
	tokens       map[string]time.Time
	calls        map[string]int
	principals   []string
	denied       map[string]bool
	repositories map[string]*repository
	template     string
	cutOff       bool
}

// repository is what the API tells of one. The content is in the registry behind, without tags.
type repository struct {
	mutability string
	exclusions []string
	tags       map[string]string
	images     map[string]*image
}

type image struct {
	mediaType string
	children  []string
	size      int64
	status    string
}

// The storage classes of an image: it is served only in the first. Activating lasts up to 20 minutes.
const (
	Active     = "ACTIVE"
	Archived   = "ARCHIVED"
	Activating = "ACTIVATING"

	anyStatus = "ANY"
)

// NewECR starts one without repositories on a free port of 127.0.0.1 and closes it at the end of the test.
func NewECR(t testing.TB, options ...Option) *ECR {
	t.Helper()
	return AsECR(New(t, options...))
}

// AsECR teaches a registry the manners of Amazon ECR. What it holds already is not seen any more.
func AsECR(r *Registry) *ECR {
	e := &ECR{
		Registry:     r,
		tokens:       map[string]time.Time{},
		calls:        map[string]int{},
		denied:       map[string]bool{},
		repositories: map[string]*repository{},
	}
	r.Wrap(e.manners)
	r.login = e.login
	return e
}

// Endpoint is the address of the API.
func (e *ECR) Endpoint() string { return "http://" + e.Host() }

// Repository makes a repository whose tags are mutable, or as it is told. Exclusions are patterns such as "cache-*".
func (e *ECR) Repository(name, mutability string, exclusions ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.repositories[name] = newRepository(mutability, exclusions)
}

func newRepository(mutability string, exclusions []string) *repository {
	if mutability == "" {
		mutability = Mutable
	}
	return &repository{mutability, exclusions, map[string]string{}, map[string]*image{}}
}

// CreateOnPush makes a repository creation template: a push creates a missing repository below prefix, such as "team".
// "ROOT" is above all.
func (e *ECR) CreateOnPush(prefix string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.template = prefix
}

// CutOffMissing makes uploads to missing repositories end without an answer, as Amazon ECR did for long, and not with
// 404.
func (e *ECR) CutOffMissing() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cutOff = true
}

// Deny takes an action such as "ecr:PutImage" from everybody.
func (e *ECR) Deny(action string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.denied[action] = true
}

// Archive moves an image to the archive: it is listed and not served until it is pushed again.
func (e *ECR) Archive(repository, digest string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.repositories[repository].images[digest].status = Archived
}

// Activate begins to bring an image back from the archive.
func (e *ECR) Activate(repository, digest string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.repositories[repository].images[digest].status = Activating
}

// Advance lets time pass.
func (e *ECR) Advance(by time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.skew += by
}

// Calls is how often an operation of the API was called, such as "GetAuthorizationToken".
func (e *ECR) Calls(operation string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls[operation]
}

// Principals are the access keys with which tokens were asked for, in the order of the calls.
func (e *ECR) Principals() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.principals)
}

// Tags are what the tags of a repository hold.
func (e *ECR) Tags(repository string) map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.repositories[repository].tags)
}

// login is for what tests push themselves, which uses no token of theirs.
func (e *ECR) login() authn.Authenticator {
	return &authn.Basic{Username: tokenUser, Password: e.issue()}
}

// find is a repository, made on the fly if a template says so.
func (e *ECR) find(name string, push bool) *repository {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.repositories[name]
	if known == nil && push && (e.template == "ROOT" || e.template != "" && strings.HasPrefix(name, e.template+"/")) {
		known = newRepository(Mutable, nil)
		e.repositories[name] = known
	}
	return known
}

// fixed says whether a tag, once it is there, stays what it is.
func (r *repository) fixed(tag string) bool {
	excluded := slices.ContainsFunc(r.exclusions, func(pattern string) bool { return matches(pattern, tag) })
	switch r.mutability {
	case Immutable:
		return true
	case ImmutableWithExclusion:
		return !excluded
	case MutableWithExclusion:
		return excluded
	}
	return false
}

// digest is what a reference, a tag or a digest, stands for; "" if that is not served.
func (r *repository) digest(reference string) string {
	if held, ok := r.tags[reference]; ok {
		reference = held
	}
	if known := r.images[reference]; known == nil || known.status != Active {
		return ""
	}
	return reference
}

// matches knows the asterisk, which is all that a pattern may have.
func matches(pattern, tag string) bool {
	matched, err := path.Match(pattern, tag)
	return err == nil && matched
}

package registrytest

import (
	"fmt"
	"maps"
	"net/http"
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

// tokenLife is how long a token of Amazon ECR is good.
const tokenLife = 12 * time.Hour

// tokenUser is the user name of all tokens.
const tokenUser = "AWS"

// TokenMark is part of every token, for tests that look for places where none may be.
const TokenMark = "ecr-token-canary"

// ECR is a Registry that behaves like Amazon ECR, with its API at the same host. The registry is at /v2/. At / are the
// API (JSON, with signatures that are read but not checked), GetAuthorizationToken of the public API, and AssumeRole of
// STS.
//
// A push needs a repository and a token that has not expired. Tags may be immutable. Nothing is deleted through the
// registry. ECR is as strict as the real one was seen or documented to be, and knows only what the tests of this module
// need.
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

// NewECR starts an ECR without repositories on a free port of 127.0.0.1 and closes it at the end of the test.
func NewECR(t testing.TB, options ...Option) *ECR {
	t.Helper()
	return AsECR(New(t, options...))
}

// AsECR makes a registry behave like Amazon ECR. It hides what the registry holds already.
func AsECR(r *Registry) *ECR {
	e := &ECR{
		Registry:     r,
		tokens:       map[string]time.Time{},
		calls:        map[string]int{},
		denied:       map[string]bool{},
		repositories: map[string]*repository{},
	}
	r.Wrap(func(next http.Handler) http.Handler { return ecrFront{ECR: e, next: next} })
	r.login = e.login
	return e
}

// Endpoint returns the address of the API.
func (e *ECR) Endpoint() string { return "http://" + e.Host() }

// Repository makes a repository. Its tags are mutable if mutability is empty. Exclusions are patterns such as
// "cache-*".
func (e *ECR) Repository(name, mutability string, exclusions ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.repositories[name] = newRepository(mutability, exclusions)
}

// CreateOnPush makes a repository creation template: a push creates a missing repository below prefix, such as "team".
// "ROOT" is above all.
func (e *ECR) CreateOnPush(prefix string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.template = prefix
}

// CutOffMissing makes uploads to missing repositories end without an answer, as those to Amazon ECR did for long, and
// not with 404.
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

// Calls returns how often clients called an operation of the API, such as "GetAuthorizationToken".
func (e *ECR) Calls(operation string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls[operation]
}

// Principals returns the access keys with which clients asked for tokens, in the order of the calls.
func (e *ECR) Principals() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.principals)
}

// Tags returns the digests that the tags of a repository hold.
func (e *ECR) Tags(repository string) map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.repositories[repository].tags)
}

// login returns a login for Push, which so needs no token of the tests.
func (e *ECR) login() authn.Authenticator {
	return &authn.Basic{Username: tokenUser, Password: e.issue()}
}

// find returns a repository, or nil. For a push it makes a missing one if a template says so.
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

// now returns the time at Amazon. Its caller holds the lock.
func (e *ECR) now() time.Time { return time.Now().Add(e.skew) }

// Token returns a new token, for clients that do not log in at Amazon.
func (e *ECR) Token() string { return e.issue() }

// issue makes a token.
func (e *ECR) issue() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	token := fmt.Sprintf("%s-%d", TokenMark, len(e.tokens))
	e.tokens[token] = e.now().Add(tokenLife)
	return token
}

package registry_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// singleTryClient returns a client that does not retry, so that a fault is seen at once.
func singleTryClient(keychain *registry.Keychain) *registry.Client {
	return registry.New(keychain, registry.Options{RetryWaits: []time.Duration{}})
}

// anonymousClient returns a client without credentials for anybody, whatever this machine's config.json says.
func anonymousClient(t *testing.T) *registry.Client {
	t.Helper()
	return singleTryClient(dockerKeychain(t, `{}`))
}

// parseTag parses a tag that is valid.
func parseTag(t *testing.T, s string) registry.Tag {
	t.Helper()
	tag, err := registry.ParseTag(s)
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

// refuse returns a handler that answers every request with an error.
func refuse(status int, code, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { registrytest.Refuse(w, status, code, message) }
}

// expectError compares an error with a sentinel, a text and the kinds of failures in it.
func expectError(t *testing.T, err, sentinel error, want string, faults ...fault.Kind) {
	t.Helper()
	if !errors.Is(err, sentinel) {
		t.Errorf("%v is no %v", err, sentinel)
	}
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if len(faults) > 0 && !slices.Equal(faultsOf(err), faults) {
		t.Errorf("%v has the faults %v, not %v", err, faultsOf(err), faults)
	}
}

// countRequests returns how many requests of a method the registry got.
func countRequests(r *registrytest.Registry, method string) int {
	count := 0
	for _, request := range r.Requests() {
		if request.Method == method {
			count++
		}
	}
	return count
}

// raw is a manifest as bytes, which a registry stores as they are.
type raw struct {
	content   string
	mediaType types.MediaType
}

func (r raw) RawManifest() ([]byte, error)        { return []byte(r.content), nil }
func (r raw) MediaType() (types.MediaType, error) { return r.mediaType, nil }
func (r raw) Digest() (v1.Hash, error) {
	h, _, err := v1.SHA256(strings.NewReader(r.content))
	return h, err
}

// faultsOf returns the faults in an error, from the outermost.
func faultsOf(err error) (faults []fault.Kind) {
	for _, failure := range errorsOf(err) {
		faults = append(faults, failure.Kind)
	}
	return faults
}

// errorsOf returns the errors with faults in an error, from the outermost.
func errorsOf(err error) (found []*fault.Error) {
	if failure, ok := err.(*fault.Error); ok { //nolint:errorlint // it walks the tree
		found = append(found, failure)
	}
	switch err := err.(type) { //nolint:errorlint // as above
	case interface{ Unwrap() []error }:
		for _, cause := range err.Unwrap() {
			found = append(found, errorsOf(cause)...)
		}
	case interface{ Unwrap() error }:
		found = append(found, errorsOf(err.Unwrap())...)
	}
	return found
}

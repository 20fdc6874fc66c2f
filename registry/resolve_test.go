package registry_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	tests := map[string]func(http.Handler) http.Handler{
		"plain": func(next http.Handler) http.Handler { return next },
		"HEAD not allowed": registrytest.Intercept(http.MethodHead, "",
			refuse(http.StatusMethodNotAllowed, "UNSUPPORTED", "no")),
		"HEAD forbidden": registrytest.Intercept(http.MethodHead, "",
			refuse(http.StatusForbidden, "DENIED", "no")),
		"HEAD says not found": registrytest.Intercept(http.MethodHead, "", refuse(http.StatusNotFound, "", "")),
		"HEAD without a digest": registrytest.Intercept(http.MethodHead, "",
			func(http.ResponseWriter, *http.Request) {}),
	}
	for name, broken := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			digest := r.Push(t, "app:1", registrytest.Index(t, "linux/amd64"))
			r.Wrap(broken)
			tag := parseTag(t, r.Host()+"/app:1")
			if got, err := anonymousClient(t).Resolve(t.Context(), tag); err != nil || got != digest {
				t.Errorf("got %s, %v, want %s", got, err, digest)
			}
			if found, err := anonymousClient(t).Exists(t.Context(), tag.Repository(), digest); err != nil || !found {
				t.Errorf("%s exists: %t, %v", digest, found, err)
			}
		})
	}
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	digest := r.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
	client := anonymousClient(t)
	for _, tag := range []string{"/app:2", "/nowhere:1"} {
		_, err := client.Resolve(t.Context(), parseTag(t, r.Host()+tag))
		expectError(t, err, fault.ErrNotFound, "resolving "+r.Host()+tag+": not found: manifest unknown")
	}
	for repository, digest := range map[string]string{"/app": "sha256:" + strings.Repeat("0", 64), "/nowhere": digest} {
		if found, err := client.Exists(t.Context(), r.Host()+repository, digest); found || err != nil {
			t.Errorf("%s@%s exists: %t, %v", repository, digest, found, err)
		}
	}
}

// TestUnknownIsNotGone holds that a tag does not count as gone after any other answer of a registry.
func TestUnknownIsNotGone(t *testing.T) {
	t.Parallel()
	tests := map[string]http.HandlerFunc{
		"401":          refuse(http.StatusUnauthorized, "UNAUTHORIZED", "authentication required"),
		"403":          refuse(http.StatusForbidden, "DENIED", "no"),
		"429":          refuse(http.StatusTooManyRequests, "TOOMANYREQUESTS", "slow down"),
		"500":          refuse(http.StatusInternalServerError, "UNKNOWN", "disk full"),
		"500, unknown": refuse(http.StatusInternalServerError, "MANIFEST_UNKNOWN", "manifest unknown"),
		"401, unknown": refuse(http.StatusUnauthorized, "NAME_UNKNOWN", "repository unknown"),
		"503 page": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<html>",
				http.StatusServiceUnavailable)
		},
		"404 page": func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) },
		"cut off":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for name, broken := range tests {
		for _, suffix := range []string{"/manifests/1", ""} {
			t.Run(name+" at "+suffix, func(t *testing.T) {
				t.Parallel()
				r := registrytest.New(t)
				r.Wrap(registrytest.Intercept("", suffix, broken))
				_, err := anonymousClient(t).Resolve(t.Context(), parseTag(t, r.Host()+"/app:1"))
				if err == nil || errors.Is(err, fault.ErrNotFound) {
					t.Errorf("gone: %v", err)
				}
			})
		}
	}
}

func TestEmptyNotFoundIsGone(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	r.Wrap(registrytest.Intercept("", "/manifests/1",
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }))
	tag := parseTag(t, r.Host()+"/app:1")
	_, err := anonymousClient(t).Resolve(t.Context(), tag)
	expectError(t, err, fault.ErrNotFound, "resolving "+tag.String()+": not found")
}

func TestExistsBelievesNoOtherDigest(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	other := "sha256:" + strings.Repeat("0", 64)
	digest := r.Push(t, "app", registrytest.Image(t, "linux/amd64"))
	r.Wrap(registrytest.Intercept(http.MethodHead, digest, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Docker-Content-Digest", other)
	}))
	_, err := anonymousClient(t).Exists(t.Context(), r.Host()+"/app", digest)
	expectError(t, err, fault.ErrMismatch,
		"looking for "+r.Host()+"/app@"+digest+": content mismatch: the registry served "+other+" for "+digest+
			"")
}

func TestResolveTakesNoWebPage(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	r.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
	r.Wrap(registrytest.Intercept("", "/manifests/1", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<html>"))
	}))
	got, err := anonymousClient(t).Resolve(t.Context(), parseTag(t, r.Host()+"/app:1"))
	if !errors.Is(err, fault.ErrMismatch) || got != "" {
		t.Errorf("%s, %v", got, err)
	}
}

package registry_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

const missingRepository = "The repository with name 'team/app' does not exist in the registry with id '123456789012'"

// What a registry answers to a tag, and what a person reads then.
var errorTexts = []struct {
	name   string
	broken http.HandlerFunc
	is     error
	want   string
}{
	{
		"401", refuse(http.StatusUnauthorized, "UNAUTHORIZED", "authentication required"), fault.ErrUnauthorized,
		"401 unauthorized: no credentials for HOST",
	},
	{
		"403", refuse(http.StatusForbidden, "DENIED", "requested access is denied"), fault.ErrDenied,
		"403 denied: requested access is denied; no credentials for HOST",
	},
	{
		"403 without words", refuse(http.StatusForbidden, "DENIED", "forbidden"), fault.ErrDenied,
		"403 denied: no credentials for HOST",
	},
	{
		"expired", refuse(http.StatusForbidden, "DENIED",
			"Your authorization token has expired. Reauthenticate and try again."),
		fault.ErrUnauthorized, "401 unauthorized: no credentials for HOST",
	},
	{
		"no repository", refuse(http.StatusNotFound, "NAME_UNKNOWN", missingRepository), fault.ErrNoRepository,
		"no such repository: " + missingRepository + "",
	},
	{
		"no repository, as an exception", refuse(http.StatusBadRequest, "UNKNOWN",
			"RepositoryNotFoundException: "+missingRepository),
		fault.ErrNoRepository,
		"no such repository: RepositoryNotFoundException: " + missingRepository + "",
	},
	{
		"no manifest", refuse(http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown"), fault.ErrNotFound,
		"not found: manifest unknown",
	},
	{
		"immutable", refuse(http.StatusBadRequest, "TAG_INVALID", immutable), fault.ErrImmutableTag,
		"immutable tag: it holds an image that HOST does not serve, since it is archived or its content is gone",
	},
	{
		"unsupported", refuse(http.StatusMethodNotAllowed, "UNSUPPORTED", "Invalid parameter at 'ImageManifest'"),
		fault.ErrUnsupported,
		"unsupported by the registry: Invalid parameter at 'ImageManifest'",
	},
	{
		"unsupported, bare",
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) },
		fault.ErrUnsupported, "unsupported by the registry: method not allowed",
	},
	{
		"rate limited", refuse(http.StatusTooManyRequests, "TOOMANYREQUESTS", "Rate exceeded"), fault.ErrRateLimited,
		"429 rate limited: Rate exceeded",
	},
	{
		"broken", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<h1>Bad gateway</h1>", http.StatusBadGateway)
		}, nil, "502 bad gateway",
	},
	{
		"children missing", refuse(http.StatusNotFound, "MANIFEST_BLOB_UNKNOWN", "Images with digests [x] required"),
		nil, "404 Images with digests [x] required",
	},
	{
		"many words", refuse(http.StatusTeapot, "UNKNOWN", "a\nb\x00c\x1b[31m "+strings.Repeat("x", 1000)), nil,
		"418 a b c [31m " + strings.Repeat("x", 289) + "...",
	},
	{
		"cut off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, fault.ErrUnreachable,
		"unreachable: EOF",
	},
}

// errorFaults are the kinds of failures of errorTexts.
var errorFaults = map[string]fault.Kind{
	"401": fault.NoCredentials, "403": fault.NoCredentials, "403 without words": fault.NoCredentials,
	"expired": fault.NoCredentials, "no repository": fault.RepositoryMissing,
	"no repository, as an exception": fault.RepositoryMissing, "immutable": fault.TagFixedUnserved,
	"unsupported": fault.RequestNotOffered, "unsupported, bare": fault.RequestNotOffered,
	"rate limited": fault.RateLimited, "broken": fault.BrokenServer, "cut off": fault.Unreachable,
}

// TestErrorTexts holds what a user reads when SetTags meets each answer. Without a login the error names no other
// cause.
func TestErrorTexts(t *testing.T) {
	t.Parallel()
	for _, test := range errorTexts {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			digest := r.Push(t, "team/app", registrytest.Image(t, "linux/amd64"))
			r.Wrap(registrytest.Intercept(http.MethodPut, "", test.broken))
			tag := parseTag(t, r.Host()+"/team/app:1")
			_, err := anonymousClient(t).SetTags(t.Context(), tag.Repository(), digest, []registry.Tag{tag})
			if test.is == nil {
				test.is = err
			}
			var faults []fault.Kind
			if broken, ok := errorFaults[test.name]; ok {
				faults = append(faults, broken)
			}
			expectError(t, err, test.is, "tagging "+tag.String()+": "+strings.ReplaceAll(test.want, "HOST", r.Host()),
				faults...)
		})
	}
}

func TestNoRepositoryIsGone(t *testing.T) {
	t.Parallel()
	if !errors.Is(fault.ErrNoRepository, fault.ErrNotFound) || errors.Is(fault.ErrNotFound, fault.ErrNoRepository) {
		t.Error("a repository that is not there holds no tag; a tag that is not there says nothing about its " +
			"repository")
	}
}

// TestImmutableIsNotInTheName holds that only the registry's own words count, and not those in names.
func TestImmutableIsNotInTheName(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	digest := r.Push(t, "immutable/app", registrytest.Image(t, "linux/amd64"))
	r.Wrap(registrytest.Intercept("", "/immutable", refuse(http.StatusNotFound, "NOT_FOUND",
		"artifact immutable/app:immutable not found")))
	_, err := anonymousClient(t).Resolve(t.Context(), parseTag(t, r.Host()+"/immutable/app:immutable"))
	if !errors.Is(err, fault.ErrNotFound) {
		t.Error(err)
	}
	r.Wrap(registrytest.Intercept(http.MethodPut, "", refuse(http.StatusForbidden, "DENIED",
		"no PutImage on immutable/app")))
	tag := parseTag(t, r.Host()+"/immutable/app:immutable")
	_, err = anonymousClient(t).SetTags(t.Context(), tag.Repository(), digest, []registry.Tag{tag})
	if !errors.Is(err, fault.ErrDenied) {
		t.Error(err)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = quiet
	t.Cleanup(untrusted.Close)
	page := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(page.Close)
	tests := []struct {
		name, host string
		is         error
		want       string
		kind       fault.Kind
	}{
		{
			"refused", closed.Listener.Addr().String(), fault.ErrUnreachable,
			"unreachable: dial tcp HOST: connect: connection refused", fault.Unreachable,
		},
		{
			"untrusted", untrusted.Listener.Addr().String(), fault.ErrUnreachable,
			"unreachable: x509: certificate signed by unknown authority", fault.UntrustedCertificate,
		},
		{
			"no registry", page.Listener.Addr().String(), nil,
			"404 that is no registry's answer", fault.NotARegistry,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := anonymousClient(t).Resolve(t.Context(), parseTag(t, test.host+"/app:1"))
			if test.is == nil {
				test.is = err
			}
			expectError(t, err, test.is, "resolving "+test.host+"/app:1: "+strings.ReplaceAll(test.want, "HOST",
				test.host),
				test.kind)
		})
	}
}

// stall is a handler that answers nothing until the client is gone.
func stall(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	for suffix, request := range map[string]string{"/v2/": "GET /v2/", "/manifests/1": "HEAD /v2/app/manifests/1"} {
		t.Run(suffix, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			r.Wrap(registrytest.Intercept("", suffix, stall))
			client := registry.New(dockerKeychain(t, `{}`), registry.Options{Timeout: 2 * time.Second,
				RetryWaits: []time.Duration{}})
			_, err := client.Resolve(t.Context(), parseTag(t, r.Host()+"/app:1"))
			expectError(t, err, fault.ErrUnreachable,
				"resolving "+r.Host()+"/app:1: "+request+": unreachable: no answer "+
					"from "+r.Host()+
					" within 2s")
		})
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	gone := errors.New("the user is gone")
	for name, broken := range map[string]http.HandlerFunc{
		"while waiting": stall,
		"while pausing": refuse(http.StatusServiceUnavailable, "UNAVAILABLE", "later"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			r.Wrap(registrytest.Intercept("", "/manifests/1", broken))
			ctx, cancel := context.WithCancelCause(t.Context())
			timer := time.AfterFunc(200*time.Millisecond, func() { cancel(gone) })
			defer timer.Stop()
			start := time.Now()
			_, err := registry.New(dockerKeychain(t, `{}`), registry.Options{RetryWaits: []time.Duration{time.Minute}}).
				Resolve(ctx, parseTag(t, r.Host()+"/app:1"))
			if !errors.Is(err, gone) || time.Since(start) > 20*time.Second {
				t.Errorf("after %s: %v", time.Since(start), err)
			}
		})
	}
}

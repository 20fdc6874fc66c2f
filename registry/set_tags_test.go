package registry_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

func TestSetTags(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	old := r.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
	digest := r.Push(t, "app", registrytest.Index(t, "linux/amd64", "linux/arm64"))
	if old == digest {
		t.Fatal("two images are one")
	}
	tags := []registry.Tag{parseTag(t, r.Host()+"/app:1"), parseTag(t, r.Host()+"/app:2"), parseTag(t, r.Host()+"/app")}
	client := anonymousClient(t)
	for range 2 {
		moved, err := client.SetTags(t.Context(), r.Host()+"/app", digest, tags)
		if err != nil || !slices.Equal(moved, tags) {
			t.Errorf("moved %v, %v", moved, err)
		}
	}
	if puts := tagPuts(r); puts != 3 {
		t.Errorf("%d tags were written, want 3: the second time none", puts)
	}
	for _, tag := range tags {
		if held, err := client.Resolve(t.Context(), tag); held != digest {
			t.Errorf("%s holds %s, %v", tag, held, err)
		}
	}
}

// tagPuts counts the writes of tags, without the first image, which was pushed with its tag.
func tagPuts(r *registrytest.Registry) int {
	count := -1
	for _, request := range r.Requests() {
		if request.Method == http.MethodPut && strings.Contains(request.Path, "/manifests/") &&
			!strings.Contains(request.Path, "sha256:") {
			count++
		}
	}
	return count
}

func TestSetTagsKeepsToOneRepository(t *testing.T) {
	t.Parallel()
	tag := parseTag(t, "ghcr.io/acme/other:1")
	_, err := anonymousClient(t).SetTags(t.Context(), "ghcr.io/acme/app", "sha256:"+strings.Repeat("0", 64),
		[]registry.Tag{tag})
	want := "tagging ghcr.io/acme/other:1: it is not in ghcr.io/acme/app, where the image is"
	if err == nil || err.Error() != want {
		t.Error(err)
	}
}

func TestSetTagsWithoutTagsAsksNobody(t *testing.T) {
	t.Parallel()
	moved, err := anonymousClient(t).SetTags(t.Context(), "127.0.0.1:1/app", "sha256:"+strings.Repeat("0", 64), nil)
	if err != nil || moved != nil {
		t.Error(moved, err)
	}
}

// TestSetTagsWithOneFailure holds that SetTags returns the two tags that moved when a third one fails.
func TestSetTagsWithOneFailure(t *testing.T) {
	t.Parallel()
	created := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }
	tests := []struct {
		name, method string
		fault        http.HandlerFunc
		is           error
		want         string
	}{
		{
			"refused", http.MethodPut, refuse(http.StatusForbidden, "DENIED", "no"), fault.ErrDenied,
			"tagging TAG: 403 denied: no; no credentials for HOST",
		},
		{
			"not stored", http.MethodPut, created, fault.ErrMismatch,
			"tagging TAG: content mismatch: the registry took the tag and does not serve it",
		},
		{
			"other digest stored", http.MethodPut, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
				w.WriteHeader(http.StatusCreated)
			}, fault.ErrMismatch,
			"tagging TAG: content mismatch: the registry calls DIGEST by the digest sha256:" + strings.Repeat("0", 64),
		},
		{
			"moved by somebody else", http.MethodGet, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(`{}`))
			},
			fault.ErrMismatch, "tagging TAG: content mismatch: it holds " +
				"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a and not DIGEST, " +
				"somebody else moved it meanwhile",
		},
		{
			"not read back", http.MethodGet, refuse(http.StatusInternalServerError, "UNKNOWN", "disk full"),
			fault.ErrUnsure,
			"tagging TAG: reading it back: 500 disk full; whether it moved is not known",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			digest := r.Push(t, "app", registrytest.Image(t, "linux/amd64"))
			r.Wrap(registrytest.Intercept(test.method, "/manifests/2", test.fault))
			tags := []registry.Tag{parseTag(t, r.Host()+"/app:1"), parseTag(t, r.Host()+"/app:2"),
				parseTag(t, r.Host()+"/app:3")}
			moved, err := anonymousClient(t).SetTags(t.Context(), r.Host()+"/app", digest, tags)
			if !slices.Equal(moved, []registry.Tag{tags[0], tags[2]}) {
				t.Errorf("moved %v", moved)
			}
			want := strings.NewReplacer("TAG", tags[1].String(), "HOST", r.Host(), "DIGEST", digest).Replace(test.want)
			expectError(t, err, test.is, want)
		})
	}
}

// TestSetTagsLooksAgain holds that a write counts that was done, also if its answer was lost or the call has ended.
func TestSetTagsLooksAgain(t *testing.T) {
	t.Parallel()
	for name, interrupt := range map[string]func(context.CancelCauseFunc){
		"the answer was lost": func(context.CancelCauseFunc) {},
		"it was canceled":     func(cancel context.CancelCauseFunc) { cancel(errors.New("Ctrl-C")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			digest := r.Push(t, "app", registrytest.Image(t, "linux/amd64"))
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			r.Wrap(func(next http.Handler) http.Handler {
				return registrytest.Intercept(http.MethodPut, "/manifests/1",
					func(_ http.ResponseWriter, req *http.Request) {
						next.ServeHTTP(httptest.NewRecorder(), req)
						interrupt(cancel)
						panic(http.ErrAbortHandler)
					})(next)
			})
			tag := parseTag(t, r.Host()+"/app:1")
			moved, err := anonymousClient(t).SetTags(ctx, tag.Repository(), digest, []registry.Tag{tag})
			if err != nil || !slices.Equal(moved, []registry.Tag{tag}) {
				t.Errorf("moved %v, %v", moved, err)
			}
		})
	}
}

func TestSetTagsOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	digest := "sha256:" + strings.Repeat("0", 64)
	tag := parseTag(t, r.Host()+"/app:1")
	moved, err := anonymousClient(t).SetTags(t.Context(), tag.Repository(), digest, []registry.Tag{tag})
	expectError(t, err, fault.ErrNotFound, "tagging "+tag.String()+": reading "+digest+": not found: manifest unknown")
	if moved != nil || countRequests(r, http.MethodPut) > 0 {
		t.Error("something was written")
	}
}

const immutable = "The image tag '1' already exists in the 'app' repository and cannot be overwritten because the " +
	"repository is immutable."

func TestSetTagsImmutable(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	held := r.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
	digest := r.Push(t, "app", registrytest.Image(t, "linux/amd64"))
	r.Wrap(registrytest.Intercept(http.MethodPut, "/manifests/1",
		refuse(http.StatusBadRequest, "TAG_INVALID", immutable)))
	tag := parseTag(t, r.Host()+"/app:1")
	_, err := anonymousClient(t).SetTags(t.Context(), tag.Repository(), digest, []registry.Tag{tag})
	expectError(t, err, fault.ErrImmutableTag, "tagging "+tag.String()+": immutable tag: "+immutable+
		" (it holds "+held+", not "+digest+")", fault.TagFixed)

	moved, err := anonymousClient(t).SetTags(t.Context(), tag.Repository(), held, []registry.Tag{tag})
	if err != nil || !slices.Equal(moved, []registry.Tag{tag}) {
		t.Errorf("the same digest: %v, %v", moved, err)
	}
	r.Wrap(registrytest.Intercept(http.MethodHead, "", refuse(http.StatusMethodNotAllowed, "UNSUPPORTED", "no HEAD")))
	moved, err = anonymousClient(t).SetTags(t.Context(), tag.Repository(), held, []registry.Tag{tag})
	if err != nil || !slices.Equal(moved, []registry.Tag{tag}) {
		t.Errorf("the same digest without HEAD: %v, %v", moved, err)
	}
}

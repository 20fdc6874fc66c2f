package buildkit_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// startSecondDaemon starts a daemon with an empty cache.
func startSecondDaemon(t *testing.T) *client.Client {
	t.Helper()
	c, err := dial(t.Context(), startSecondEndpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// startSecondEndpoint starts a daemon without a cache and returns where it listens.
func startSecondEndpoint(t *testing.T) string {
	t.Helper()
	lease, err := daemon.Acquire(
		t.Context(), daemon.Options{Dir: filepath.Join(t.TempDir(), "daemon"), Idle: time.Second},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lease.Release() })
	return lease.Endpoint()
}

// sharedCache is a cache that one daemon writes and another reads. Each end has its own options.
type sharedCache struct {
	to, from buildkit.Cache
	argument map[string]string // build arguments of the build that writes it
}

// exportAccess returns the access of the build that writes the cache. It has no cache if a build argument asks for one.
func (c sharedCache) exportAccess() (a buildkit.Access) {
	if c.to.Type != "" {
		a.CacheTo = []buildkit.Cache{c.to}
	}
	return a
}

// One daemon writes a cache and another reads it: the step does not run again.
func TestCachesAreSharedBetweenDaemons(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	folder := t.TempDir()
	registry := registrytest.New(t)
	ref := registry.Host() + "/cache:app"
	caches := map[string]sharedCache{
		"a folder": {
			to:   buildkit.Cache{Type: "local", Options: map[string]string{"dest": folder, "mode": "max"}},
			from: buildkit.Cache{Type: "local", Options: map[string]string{"src": folder}},
		},
		"a registry": {
			to: buildkit.Cache{
				Type: "registry",
				Options: map[string]string{
					"ref": ref, "mode": "max", "image-manifest": "true", "oci-mediatypes": "true",
				},
			},
			from: buildkit.Cache{Type: "registry", Options: map[string]string{"ref": ref}},
		},
		"the image itself": {
			to:   buildkit.Cache{Type: "inline"},
			from: buildkit.Cache{Type: "registry"}, // ref: the image, see below
		},
		"an argument": {
			argument: map[string]string{"BUILDKIT_INLINE_CACHE": "1"},
			from:     buildkit.Cache{Type: "registry"}, // ref: the image, see below
		},
	}
	here, there := s.c, startSecondDaemon(t)
	for name, c := range caches {
		plan := s.plan(t, "RUN : "+name+"; cat /proc/sys/kernel/random/uuid >/uuid")
		s.c = here
		plan.BuildArgs = c.argument
		first, exports, err := s.solveAndExport(t.Context(), plan, c.exportAccess())
		if err := errors.Join(err, failureOf(exports)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c.from.Options == nil {
			c.from.Options = map[string]string{"ref": s.tag(t, first, strings.ReplaceAll(name, " ", "-"))}
		}
		s.c, plan.BuildArgs = there, nil
		second, err := s.solve(t.Context(), plan, buildkit.Access{CacheFrom: []buildkit.Cache{c.from}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if a, b := s.fileContent(t, first, "uuid"), s.fileContent(t, second, "uuid"); a != b {
			t.Errorf("%s: the step ran again: %q, %q", name, a, b)
		}
	}
}

// A build does not fail for a cache that it cannot read, and warns of it. It does not notice one that cannot be
// written.
func TestCacheErrors(t *testing.T) {
	t.Parallel()
	registry := registrytest.New(t)
	refuse := func(w http.ResponseWriter, _ *http.Request) {
		registrytest.Refuse(w, http.StatusForbidden, "DENIED", "no")
	}
	registry.Wrap(registrytest.Intercept(http.MethodPost, "/blobs/uploads/", refuse))
	ref := registry.Host() + "/cache:app"
	to := buildkit.Cache{Type: "registry", Options: map[string]string{"ref": ref}}
	cases := map[string]cacheFailure{
		"no such cache": {
			access: buildkit.Access{
				CacheFrom: []buildkit.Cache{{Type: "registry", Options: map[string]string{"ref": ref}}},
			},
			warned: "importing cache manifest from " + ref,
		},
		"an empty folder": {
			access: buildkit.Access{CacheFrom: []buildkit.Cache{
				{Type: "local", Options: map[string]string{"src": t.TempDir()}},
			}},
			warned: "there is no cache in the folder /",
		},
		"no right to write": {
			access: buildkit.Access{CacheTo: []buildkit.Cache{to}}, export: "denied: no", isExpected: isCacheError,
		},
	}
	maps.Copy(cases, unwritableCaches)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.check(t)
		})
	}
}

// cacheFailure is a cache that cannot be read or written, and what comes of it.
type cacheFailure struct {
	access     buildkit.Access
	export     string // a part of the error of the export
	warned     string // the beginning of the warning of the build
	isExpected func(error) bool
}

// check builds with the cache.
func (c cacheFailure) check(t *testing.T) {
	t.Helper()
	s := newStepBuilder(t)
	built, exports, err := s.solveAndExport(t.Context(), s.plan(t, "RUN true"), c.access)
	if err != nil || built.Digest == "" {
		t.Fatal(err)
	}
	err = failureOf(exports)
	if (err != nil) != (c.export != "") || err != nil && !strings.Contains(err.Error(), c.export) {
		t.Errorf("got %v, want %s", err, c.export)
	}
	if c.isExpected != nil && !c.isExpected(err) {
		t.Errorf("got a %T", errors.Unwrap(err))
	}
	if got := s.warnings(); !strings.HasPrefix(got, c.warned) || (got == "") != (c.warned == "") {
		t.Errorf("warned %q, want %q", got, c.warned)
	}
}

// isCacheError and isSetupError tell the type of an error.
func isCacheError(err error) bool { return errors.As(err, new(*buildkit.CacheError)) }
func isSetupError(err error) bool { return errors.As(err, new(*buildkit.CacheSetupError)) }

// unwritableCaches are caches that no builder can write.
var unwritableCaches = map[string]cacheFailure{
	"GitHub's": {
		access: buildkit.Access{CacheTo: []buildkit.Cache{gitHubCache()}},
		export: "127.0.0.1:1", isExpected: isCacheError,
	},
	"a type that the daemon does not know": {
		access: buildkit.Access{CacheTo: []buildkit.Cache{{Type: "tape"}}},
		export: "the builder cannot write a cache of type tape: it does not know this type", isExpected: isSetupError,
	},
	"GitHub's, with a token that is none": {
		access: buildkit.Access{CacheTo: []buildkit.Cache{{Type: "gha", Options: map[string]string{
			"url": "http://127.0.0.1:1/", "token": "canary",
		}}}},
		export: "the builder cannot write a cache of type gha: ", isExpected: isSetupError,
	},
	"a folder that cannot be written": {
		access: buildkit.Access{CacheTo: []buildkit.Cache{
			{Type: "local", Options: map[string]string{"dest": "/dev/null"}},
		}},
		export: "open /dev/null: not a directory", isExpected: isCacheError,
	},
	"S3": {
		access: buildkit.Access{CacheTo: []buildkit.Cache{{Type: "s3", Options: map[string]string{
			"bucket": "b", "region": "r", "endpoint_url": "http://127.0.0.1:1", "access_key_id": "AKIA",
			"secret_access_key": "key", "retry_max_attempts": "1",
		}}}}, export: "127.0.0.1:1", isExpected: isCacheError,
	},
}

// gitHubCache returns a cache of GitHub Actions where nothing listens.
func gitHubCache() buildkit.Cache {
	claims := fmt.Sprintf(`{"nbf": 0, "exp": %d, "ac": "[{\"Scope\": \"refs/heads/main\", \"Permission\": 3}]"}`,
		time.Now().Add(time.Hour).Unix())
	encode := base64.RawURLEncoding.EncodeToString
	return buildkit.Cache{Type: "gha", Options: map[string]string{
		"url": "http://127.0.0.1:1/", "token": encode([]byte(`{"alg": "none"}`)) + "." + encode([]byte(claims)) + ".",
	}}
}

// A registry that refuses a cache does not stop another one that takes longer.
func TestOneOfTwoCachesIsRefused(t *testing.T) {
	t.Parallel()
	s, good, bad := newStepBuilder(t), registrytest.New(t), registrytest.New(t)
	bad.Inject(registrytest.Rule{Method: http.MethodPost, Fault: registrytest.Status(403, "DENIED", "no", "")})
	good.Inject(registrytest.Rule{
		Method: http.MethodPut, Path: "/manifests/",
		Fault: func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			select {
			case <-time.After(time.Second):
			case <-req.Context().Done():
			}
			next.ServeHTTP(w, req)
		},
	})
	_, exports, err := s.solveAndExport(t.Context(), s.plan(t, "RUN true"), buildkit.Access{CacheTo: []buildkit.Cache{
		registryCache(bad.Host() + "/cache:app"), registryCache(good.Host() + "/cache:app"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !isCacheError(exports[0].Err) || exports[1].Err != nil || exports[1].Took < time.Second {
		t.Errorf("got %+v", exports)
	}
}

func (s *stepBuilder) warnings() string {
	var texts []string
	for _, e := range s.events {
		if e.Kind == buildkit.Warned {
			texts = append(texts, e.Text)
		}
	}
	return strings.Join(texts, "\n")
}

// The credentials of a cache are never shown, not even if an error has them: this key is in the endpoint, too.
//
// The daemon writes such an error into its files. TestASecretIsSeenNowhere looks for its own canary there, so this key
// is another one.
func TestCredentialsOfACacheAreNotShown(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	const key = "Canary-Swordfish"
	options := map[string]string{
		"bucket": "b", "region": "r", "endpoint_url": "http://127.0.0.1:1/" + key, "access_key_id": "AKIA",
		"secret_access_key": key, "retry_max_attempts": "1",
	}
	access := buildkit.Access{CacheFrom: []buildkit.Cache{{Type: "s3", Options: options}}}
	_, err := s.solve(t.Context(), s.plan(t, "RUN true"), access)
	if err != nil || s.warnings() == "" {
		t.Errorf("warned %q, %v", s.warnings(), err)
	}
	_, exports, err := s.solveAndExport(
		t.Context(), s.plan(t, "RUN true"), buildkit.Access{CacheTo: []buildkit.Cache{{Type: "s3", Options: options}}},
	)
	if err != nil || failureOf(exports) == nil {
		t.Fatalf("%v, %v: the export succeeded, but nobody listens at the endpoint", err, exports)
	}
	if shown := s.warnings() + failureOf(exports).Error(); strings.Contains(shown, key) {
		t.Errorf("the key is in %s", shown)
	}
}

package buildkit_test

import (
	"encoding/base64"
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
	lease, err := daemon.Acquire(
		t.Context(), daemon.Options{Dir: filepath.Join(t.TempDir(), "daemon"), Idle: time.Second},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lease.Release() })
	c, err := dial(t.Context(), lease.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
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
		first, err := s.solve(t.Context(), plan, c.exportAccess())
		if err != nil {
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

// A build does not fail for a cache that it cannot read. It fails for one that it cannot write, unless the cache has
// ignore-error.
func TestCacheErrors(t *testing.T) {
	t.Parallel()
	registry := registrytest.New(t)
	refuse := func(w http.ResponseWriter, _ *http.Request) {
		registrytest.Refuse(w, http.StatusForbidden, "DENIED", "no")
	}
	registry.Wrap(registrytest.Intercept(http.MethodPost, "/blobs/uploads/", refuse))
	ref := registry.Host() + "/cache:app"
	to := buildkit.Cache{Type: "registry", Options: map[string]string{"ref": ref}}
	ignored := buildkit.Cache{Type: "registry", Options: map[string]string{"ref": ref, "ignore-error": "true"}}
	cases := map[string]cacheFailure{
		"no such cache": {
			buildkit.Access{CacheFrom: []buildkit.Cache{{Type: "registry", Options: map[string]string{"ref": ref}}}},
			"", "importing cache manifest from " + ref,
		},
		"an empty folder": {
			buildkit.Access{CacheFrom: []buildkit.Cache{
				{Type: "local", Options: map[string]string{"src": t.TempDir()}},
			}},
			"", "there is no cache in the folder /",
		},
		"no right to write": {buildkit.Access{CacheTo: []buildkit.Cache{to}}, "denied: no", ""},
		"no right to write, ignored": {
			buildkit.Access{CacheTo: []buildkit.Cache{ignored}}, "", "exporting cache to registry: ",
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

// cacheFailure is a cache that cannot be read or written, and what the build makes of it.
type cacheFailure struct {
	access      buildkit.Access
	err, warned string
}

// check builds with the cache.
func (c cacheFailure) check(t *testing.T) {
	t.Helper()
	s := newStepBuilder(t)
	_, err := s.solve(t.Context(), s.plan(t, "RUN true"), c.access)
	if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
		t.Errorf("got %v, want %s", err, c.err)
	}
	if got := s.warnings(); !strings.HasPrefix(got, c.warned) || (got == "") != (c.warned == "") {
		t.Errorf("warned %q, want %q", got, c.warned)
	}
}

// unwritableCaches are caches that no builder can write.
var unwritableCaches = map[string]cacheFailure{
	"GitHub's": {buildkit.Access{CacheTo: []buildkit.Cache{gitHubCache("false")}}, "127.0.0.1:1", ""},
	"GitHub's, ignored": {
		buildkit.Access{CacheTo: []buildkit.Cache{gitHubCache("true")}}, "", "exporting to GitHub Actions Cache: ",
	},
	"a type that the daemon does not know": {
		buildkit.Access{CacheTo: []buildkit.Cache{
			{Type: "tape", Options: map[string]string{"ignore-error": "true"}},
		}},
		"the builder cannot write a cache of type tape: it does not know this type", "",
	},
	"GitHub's, with a token that is none": {
		buildkit.Access{CacheTo: []buildkit.Cache{{Type: "gha", Options: map[string]string{
			"url": "http://127.0.0.1:1/", "token": "canary", "ignore-error": "true",
		}}}},
		"the builder cannot write a cache of type gha: ", "",
	},
	"a folder that cannot be written": {
		buildkit.Access{CacheTo: []buildkit.Cache{
			{Type: "local", Options: map[string]string{"dest": "/dev/null"}},
		}},
		"/dev/null", "",
	},
	"a folder that cannot be written, ignored": {
		buildkit.Access{CacheTo: []buildkit.Cache{{Type: "local", Options: map[string]string{
			"dest": "/dev/null", "ignore-error": "true",
		}}}},
		"", "open /dev/null: not a directory: the image is built without this cache",
	},
	"S3, ignored": {
		buildkit.Access{CacheTo: []buildkit.Cache{{Type: "s3", Options: map[string]string{
			"bucket": "b", "region": "r", "endpoint_url": "http://127.0.0.1:1", "access_key_id": "AKIA",
			"secret_access_key": "key", "retry_max_attempts": "1", "ignore-error": "true",
		}}}}, "", "exporting cache to Amazon S3: ",
	},
}

// gitHubCache returns a cache of GitHub Actions where nothing listens.
func gitHubCache(ignoreError string) buildkit.Cache {
	claims := fmt.Sprintf(`{"nbf": 0, "exp": %d, "ac": "[{\"Scope\": \"refs/heads/main\", \"Permission\": 3}]"}`,
		time.Now().Add(time.Hour).Unix())
	encode := base64.RawURLEncoding.EncodeToString
	return buildkit.Cache{Type: "gha", Options: map[string]string{
		"url": "http://127.0.0.1:1/", "token": encode([]byte(`{"alg": "none"}`)) + "." + encode([]byte(claims)) + ".",
		"ignore-error": ignoreError,
	}}
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
	_, err = s.solve(
		t.Context(), s.plan(t, "RUN true"), buildkit.Access{CacheTo: []buildkit.Cache{{Type: "s3", Options: options}}},
	)
	if err == nil {
		t.Fatal("the export succeeded, but nobody listens at the endpoint")
	}
	if shown := s.warnings() + err.Error(); strings.Contains(shown, key) {
		t.Errorf("the key is in %s", shown)
	}
}

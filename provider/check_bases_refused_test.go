package provider

import (
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// A registry that limits pulls is no reason to push fewer images. The failure names mirrors of the provider if pull
// would ask them.
func TestPullAtABusyRegistry(t *testing.T) {
	t.Parallel()
	busy := registrytest.New(t)
	busy.Push(t, "base:1", registrytest.Image(t, "linux/amd64"))
	busy.Inject(registrytest.Rule{Path: "/v2/base/", Fault: tooManyRequests})
	mirror := busy.Host() + `": ["127.0.0.1:1"]`
	text := "the registry limits how often images are pulled: log in to it (docker login, or registries), "
	orDigest := text + "or write the digest in baseDigests"
	orMirror := text + "write the digest in baseDigests, or name a mirror of it, such as a pull-through cache of " +
		"Amazon ECR, in mirrors of the provider"
	for config, remedy := range map[string]string{
		`{"host": "local://"}`: orMirror,
		`{"host": "local://", "mirrors": {"other.example.com": ["127.0.0.1:1"]}}`: orMirror,
		`{"host": "local://", "mirrors": {"` + mirror + `}}`:                      orDigest,
		`{"host": "tcp://127.0.0.1:1"}`:                                           orDigest,
		`{"host": "tcp://127.0.0.1:1", "mirrors": {"` + mirror + `}}`:             orDigest,
	} {
		w := dial(t, newProvider(&settings{registry: registry.Options{RetryWaits: []time.Duration{}}}), config)
		failures := w.checkPull(t, busy.Host()+"/base:1", "").GetFailures()
		if len(failures) != 1 {
			t.Fatal(failures)
		}
		got := failures[0].GetReason()
		want := "base image: resolving " + busy.Host() + "/base:1: 429 rate limited: "
		end := "; " + remedy + "; without pull the builder takes the base images that it has"
		if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, end) || strings.Contains(got, "fewer images") {
			t.Errorf("with %s: got %s", config, got)
		}
	}
}

// A mirror that limits requests is no reason to push fewer images: the warning says to log in to it.
func TestPullAtABusyMirror(t *testing.T) {
	t.Parallel()
	origin, busy := registrytest.New(t), registrytest.New(t)
	digest := origin.Push(t, "base:1", registrytest.Image(t, "linux/amd64"))
	busy.Inject(registrytest.Rule{Path: "/v2/base/", Fault: tooManyRequests})
	w := dial(t, newProvider(&settings{registry: registry.Options{RetryWaits: []time.Duration{}}}),
		`{"host": "local://", "mirrors": {"`+origin.Host()+`": ["`+busy.Host()+`"]}}`)
	if got := w.baseDigest(t, origin.Host()+"/base:1", ""); got != digest {
		t.Errorf("got %s, want %s", got, digest)
	}
	log := w.logText()
	want := "; the mirror limits how often it is asked: log in to it (docker login, or registries), or have its " +
		"administrator raise the limit; " + origin.Host() + " is asked instead"
	if !strings.Contains(log, "WARNING pull: mirror "+busy.Host()+": ") || !strings.Contains(log, want) ||
		strings.Contains(log, "fewer images") {
		t.Errorf("the log does not say what helps: %s", log)
	}
}

// A login that was refused at a base image or a mirror is not remembered: another login in the same run counts.
func TestBaseDigestsAfterARefusedLogin(t *testing.T) {
	t.Parallel()
	origin, mirror := registrytest.New(t), registrytest.New(t)
	fresh := origin.Push(t, "base:1", registrytest.Image(t, "linux/amd64"))
	old := mirror.Push(t, "base:1", registrytest.Image(t, "linux/amd64"))
	origin.AskForTokens("", "me", "origin-canary")
	mirror.AskForTokens("", "me", "mirror-canary")
	login := func(r *registrytest.Registry, password string) string {
		return `{"address": "` + r.Host() + `", "username": "me", "password": "secret:` + password + `"}`
	}
	config := `{"host": "local://", "mirrors": {"` + origin.Host() + `": ["` + mirror.Host() + `"]}}`
	w := dial(t, newProvider(&settings{registry: registry.Options{RetryWaits: []time.Duration{}}}), config)
	base := origin.Host() + "/base:1"
	failures := w.checkPull(t, base, `"registries": [`+login(origin, "wrong-canary")+`], `).GetFailures()
	if len(failures) != 1 || !strings.Contains(failures[0].GetReason(), "refused the credentials") {
		t.Fatal(failures)
	}
	for _, test := range []struct{ mirror, want string }{{"wrong-canary", fresh}, {"mirror-canary", old}} {
		more := `"registries": [` + login(origin, "origin-canary") + `, ` + login(mirror, test.mirror) + `], `
		if got := w.baseDigest(t, base, more); got != test.want {
			t.Errorf("with %s at the mirror: got %s, want %s", test.mirror, got, test.want)
		}
	}
	if log := w.logText(); strings.Contains(log, "-canary") {
		t.Errorf("the log has a password: %s", log)
	}
}

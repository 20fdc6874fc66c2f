package provider

import (
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// A registry that limits pulls is no reason to push fewer images: the failure names mirrors.
func TestPullAtABusyRegistry(t *testing.T) {
	t.Parallel()
	busy := registrytest.New(t)
	busy.Push(t, "base:1", registrytest.Image(t, "linux/amd64"))
	busy.Inject(registrytest.Rule{Path: "/v2/base/", Fault: tooManyRequests})
	w := dial(t, newProvider(&settings{registry: registry.Options{RetryWaits: []time.Duration{}}}), `{}`)
	failures := w.checkPull(t, busy.Host()+"/base:1", "").GetFailures()
	if len(failures) != 1 {
		t.Fatal(failures)
	}
	got := failures[0].GetReason()
	want := "base image: resolving " + busy.Host() + "/base:1: 429 rate limited: "
	remedy := "; " + pullLimitRemedy + "; without pull the builder takes the base images that it has"
	if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, remedy) || strings.Contains(got, "fewer images") {
		t.Errorf("got %s", got)
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

package provider

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// CheckConfig names each wrong mirror at once, and shows no login.
func TestCheckOfMirrors(t *testing.T) {
	t.Parallel()
	res, err := serve(t).CheckConfig(p.CheckRequest{Urn: providerURN, Inputs: props(t, `{"mirrors": {
		"docker.io": ["mirror.example.com", "localhost/a", "127.0.0.1:5000/a/b", "Mirror.example.com:5000"],
		"ghcr.io": [], "quay.io": ["", "https://mirror.example.com", "me:canary@mirror.example.com", "mirror",
			"mirror.example.com/UPPER", "mirror.example.com:x", "quay.io", "quay.io/path", "?"],
		"https://gcr.io": ["mirror.example.com"], "gcr.io/path": ["mirror.example.com"],
		"index.docker.io": ["mirror.example.com"], "public.ecr.aws": "?"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range res.Failures {
		got = append(got, f.Property+": "+f.Reason)
	}
	slices.Sort(got)
	want := []string{
		`mirrors["gcr.io/path"]: this is not the host of a registry, such as docker.io: it has a path`,
		`mirrors["ghcr.io"]: it has no mirror: give an address`,
		`mirrors["https://gcr.io"]: this is not the host of a registry, such as docker.io: it has a scheme`,
		`mirrors["index.docker.io"]: "index.docker.io" and "docker.io" are one registry`,
		`mirrors["quay.io"][0]: this is not the address of a mirror, such as mirror.example.com or ` +
			`mirror.example.com:5000/docker-hub: it is empty`,
		`mirrors["quay.io"][1]: this is not the address of a mirror, such as mirror.example.com or ` +
			`mirror.example.com:5000/docker-hub: it has a scheme: leave that out`,
		`mirrors["quay.io"][2]: this is not the address of a mirror, such as mirror.example.com or ` +
			`mirror.example.com:5000/docker-hub: it has a login: give that in registries`,
		`mirrors["quay.io"][3]: this is not the address of a mirror, such as mirror.example.com or ` +
			`mirror.example.com:5000/docker-hub: its host has neither a dot nor a port`,
		`mirrors["quay.io"][4]: this is not the address of a mirror, such as mirror.example.com or ` +
			`mirror.example.com:5000/docker-hub: it is not host[:port][/path] with a path in lower case`,
		`mirrors["quay.io"][5]: this is not the address of a mirror, such as mirror.example.com or ` +
			`mirror.example.com:5000/docker-hub: it is not host[:port][/path] with a path in lower case`,
		`mirrors["quay.io"][6]: "quay.io" is the registry itself`,
	}
	if len(got) != len(want) {
		t.Fatalf("got %d failures, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) || strings.Contains(got[i], "canary") {
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
}

// An empty list is a failure in each form in which the engine passes the configuration.
func TestCheckOfAnEmptyListOfMirrors(t *testing.T) {
	t.Parallel()
	for _, config := range []string{
		`{"mirrors": {"docker.io": []}}`, `{"mirrors": "{\"docker.io\": []}"}`, `{"mirrors": {"docker.io": null}}`,
	} {
		w := dial(t, New(nil), `{}`)
		res, err := w.CheckConfig(t.Context(), &pulumirpc.CheckRequest{
			Urn: string(providerURN), News: marshalProperties(t, props(t, config)),
		})
		if err != nil || len(res.GetFailures()) != 1 || !strings.Contains(res.GetFailures()[0].GetReason(),
			"it has no mirror: give an address") {
			t.Errorf("%s: got %v, %v", config, res.GetFailures(), err)
		}
	}
}

// mirroredRegistries are a mirror of Docker Hub that wants a login, and a registry whose first mirror is away and whose
// second has nothing.
type mirroredRegistries struct {
	hub, origin, empty *registrytest.Registry
	hubBase, base      string // digests of the images base:1
}

func newMirroredRegistries(t *testing.T) mirroredRegistries {
	t.Helper()
	m := mirroredRegistries{hub: registrytest.New(t), origin: registrytest.New(t), empty: registrytest.New(t)}
	m.hubBase = m.hub.Push(t, "docker-hub/library/base:1", registrytest.Image(t, "linux/amd64"))
	m.base = m.origin.Push(t, "base:1", registrytest.Image(t, "linux/amd64"))
	m.hub.AskForTokens("", "me", "mirror-canary")
	return m
}

// config returns the configuration of a provider with the mirrors.
func (m mirroredRegistries) config() string {
	return `{"host": "local://", "registries": [
		{"address": "` + m.hub.Host() + `", "username": "me", "password": "secret:mirror-canary"}],
		"mirrors": {"docker.io": ["` + m.hub.Host() + `/docker-hub"],
			"` + m.origin.Host() + `": ["127.0.0.1:1", "` + m.empty.Host() + `"]}}`
}

// create makes an image on a base image. It returns the outputs.
func (m mirroredRegistries) create(t *testing.T, w *wire, base string, pull bool) property.Map {
	t.Helper()
	dockerfile := "FROM " + base + "\nLABEL test=mirrors\n"
	inputs := props(t, `{"platforms": ["linux/amd64"], "tags": ["`+m.origin.Host()+`/app:1"]}`).
		Set("pull", property.New(pull)).
		Set("dockerfile", property.New(props(t, `{}`).Set("inline", property.New(dockerfile)))).
		Set("context", property.New(props(t, `{"location": "`+t.TempDir()+`"}`)))
	checked, err := w.Check(t.Context(), &pulumirpc.CheckRequest{Urn: string(urn), News: marshalProperties(t, inputs)})
	if err != nil || len(checked.GetFailures()) > 0 {
		t.Fatal(err, checked.GetFailures())
	}
	created, err := w.Create(t.Context(), &pulumirpc.CreateRequest{Urn: string(urn), Properties: checked.GetInputs()})
	if err != nil {
		t.Fatal(err)
	}
	return unmarshalProperties(t, created.GetProperties())
}

// hasRequest tells whether a registry answered a request for a path that begins with prefix.
func hasRequest(r *registrytest.Registry, prefix string, status int) bool {
	return slices.ContainsFunc(r.Requests(), func(req registrytest.Request) bool {
		return strings.HasPrefix(req.Path, prefix) && req.Status == status
	})
}

// The embedded daemon takes base images from mirrors, with their logins. It asks the registry if no mirror has them.
func TestBaseImagesOfMirrors(t *testing.T) {
	embedded.Endpoint(t)
	t.Setenv("PULUMI_BUILDKIT_DAEMON_IDLE", "1s")
	m := newMirroredRegistries(t)
	w := dial(t, newProvider(&settings{registry: registry.Options{RetryWaits: []time.Duration{}}}), m.config())
	base := m.origin.Host() + "/base:1"
	m.create(t, w, "base:1", false)
	m.create(t, w, base, false)
	if !hasRequest(m.hub, "/v2/docker-hub/library/base/blobs/", http.StatusOK) {
		t.Errorf("the mirror of Docker Hub was asked for %v", m.hub.Requests())
	}
	if !hasRequest(m.empty, "/v2/base/manifests/", http.StatusNotFound) {
		t.Errorf("the empty mirror was asked for %v", m.empty.Requests())
	}
	if !hasRequest(m.origin, "/v2/base/blobs/", http.StatusOK) {
		t.Errorf("the registry was asked for %v", m.origin.Requests())
	}
	if log := w.logText(); strings.Contains(log, "mirrors have no effect") {
		t.Errorf("the log warns: %s", log)
	}

	bases := m.create(t, w, "base:1", true).Get("baseDigests").AsMap()
	if text(bases, "docker.io/library/base:1") != m.hubBase {
		t.Errorf("got %v, want %s", bases, m.hubBase)
	}
	for range 2 {
		if bases := m.create(t, w, base, true).Get("baseDigests").AsMap(); text(bases, base) != m.base {
			t.Errorf("got %v, want %s", bases, m.base)
		}
	}
	if log := w.logText(); strings.Count(log, "pull: mirror 127.0.0.1:1: ") != 1 ||
		strings.Contains(log, "mirror "+m.empty.Host()) || strings.Contains(log, "mirror-canary") {
		t.Errorf("the log does not name the mirror that is away once: %s", log)
	}
}

// A change of mirrors changes neither the inputs of an image nor its state.
func TestAnImageHasNoMirrors(t *testing.T) {
	t.Parallel()
	inputs := props(t, `{"context": {"location": "`+t.TempDir()+`"}, "dockerfile": {"inline": "FROM base:1\n"}}`)
	var checked []property.Value
	for _, config := range []string{`{}`, `{"mirrors": {"docker.io": ["mirror.example.com"]}}`} {
		w := dial(t, New(nil), config)
		res, err := w.Check(t.Context(), &pulumirpc.CheckRequest{Urn: string(urn), News: marshalProperties(t, inputs)})
		if err != nil || len(res.GetFailures()) > 0 {
			t.Fatal(err, res.GetFailures())
		}
		checked = append(checked, property.New(unmarshalProperties(t, res.GetInputs())))
	}
	if !checked[0].Equals(checked[1]) {
		t.Errorf("got %v without and %v with mirrors", checked[0], checked[1])
	}
}

// A builder that is not ours decides about mirrors by itself: a warning says where.
func TestMirrorsOfOtherBuilders(t *testing.T) {
	t.Parallel()
	var warnings []string
	f := &builderFinder{}
	f.warnOnce = func(line string) { warnings = append(warnings, line) }
	f.config.Mirrors = map[string][]string{"docker.io": {"mirror.example.com"}}
	e, err := endpoint.Parse("tcp://127.0.0.1:1234")
	if err != nil {
		t.Fatal(err)
	}
	address := engine.AtHost("unix:///run/docker.sock")
	f.warnOfMirrors(f.connectDaemon(e, nil))
	f.warnOfMirrors(builder{endpoint: address.Host, engine: &address})
	f.warnOfMirrors(builder{endpoint: address.Host, engine: &address, container: &engine.Builder{}})
	want := []string{
		"mirrors have no effect on tcp://127.0.0.1:1234, which takes them from its own configuration. Set mirrors of " +
			`[registry."docker.io"] in its buildkitd.toml, or build on local://`,
		"mirrors have no effect on unix:///run/docker.sock, which takes them from its own configuration. Set " +
			"registry-mirrors, which are for docker.io, in the daemon.json of the engine, or build on local://",
	}
	if !slices.Equal(warnings, want) {
		t.Errorf("got %q", warnings)
	}
	f.config.Mirrors = nil
	f.warnOfMirrors(f.connectDaemon(e, nil))
	if len(warnings) != len(want) {
		t.Errorf("a warning without mirrors: %q", warnings)
	}
}

// A container in the network of an engine needs the mirrors of this machine's loopback too.
func TestHostsOfMirrors(t *testing.T) {
	t.Parallel()
	config := Config{Mirrors: map[string][]string{
		"index.docker.io": {"127.0.0.1:5000/docker-hub", "Mirror.example.com"}, "ghcr.io": {"127.0.0.1:5001"},
	}}
	got := config.withMirrorHosts([]string{"docker.io", "registry.example.com"})
	if want := []string{"127.0.0.1:5000", "docker.io", "mirror.example.com", "registry.example.com"}; !slices.Equal(
		got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

//go:build linux

package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/moby/client"
)

// scratchFiles is a context whose image needs no base.
var scratchFiles = map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"}

// An image that is not pushed may have any name that Docker takes. Its output ref is the first one, by which the engine
// knows it.
func TestAnImageStaysInTheEngine(t *testing.T) {
	t.Parallel()
	host := containerdEngine.Host(t)
	c, err := client.New(client.WithHost(host))
	must(t, err)
	defer func() { _ = c.Close() }()
	for kind, exports := range map[string]string{
		"loaded":   "load: true",
		"exported": "exports: [{ docker: {} }]",
		"kept":     "exports: [{ image: { store: true } }]",
		"raw":      "exports: [{ raw: type=docker }]",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			tag := "acme/" + kind + ":1"
			properties := "context: { location: . }\ntags: [\"" + tag + "\"]\npush: false\n" + exports + "\n"
			s := open(t, project(t, properties+endpointOf(t, &containerdEngine), scratchFiles))
			succeeds(t, s.Preview())
			succeeds(t, s.Up("--skip-preview"), "+ 2 created")
			if ref := image(t, s).Outputs["ref"]; ref != tag {
				t.Errorf("ref is %v", ref)
			}
			if _, err := c.ImageInspect(t.Context(), tag); err != nil {
				t.Error(err)
			}
			succeeds(t, s.Up("--expect-no-changes"))
		})
	}
}

// An engine with the containerd store holds an image of several platforms. The classic store holds none.
func TestLoadSeveralPlatforms(t *testing.T) {
	t.Parallel()
	properties := "context: { location: . }\nplatforms: [linux/amd64, linux/arm64]\ntags: [\"acme/several:1\"]\n" +
		"push: false\nload: true\n"
	host := containerdEngine.Host(t)
	s := open(t, project(t, properties+"builder: { endpoint: \""+host+"\" }\n", scratchFiles))
	succeeds(t, s.Up("--skip-preview"), "+ 2 created")
	c, err := client.New(client.WithHost(host))
	must(t, err)
	defer func() { _ = c.Close() }()
	held, err := c.ImageInspect(t.Context(), "acme/several:1", client.ImageInspectWithManifests(true))
	must(t, err)
	if len(held.Manifests) != 2 || held.ID != image(t, s).Outputs["digest"] {
		t.Errorf("the engine holds %s with %+v, want %v", held.ID, held.Manifests, image(t, s).Outputs["digest"])
	}

	classic := open(t, project(t, properties+"builder: { endpoint: \""+classicEngine.Host(t)+"\" }\n", scratchFiles))
	fails(t, classic.Up("--skip-preview"), "keeps images in its classic store, which holds no index",
		"Turn on the containerd image store")
}

// host-gateway is the address that the engine has for its machine. The embedded daemon has none.
func TestHostGateway(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"Dockerfile": "FROM BUSYBOX\nRUN grep '^198.51.100.7.*host.docker.internal' /etc/hosts\n",
	}
	properties := "context: { location: . }\nnetwork: none\naddHosts: [\"host.docker.internal:host-gateway\"]\n"
	s := open(t, project(t, properties+endpointOf(t, &containerdEngine), files))
	succeeds(t, s.Up("--skip-preview"), "+ 2 created")
	embedded := open(t, project(t, properties, files))
	fails(t, embedded.Up("--skip-preview"), "host-gateway", "does not tell the address of its machine")
}

// docker-build pushes what exports say, to tags or to the names in exports.
func TestPushThroughExports(t *testing.T) {
	t.Parallel()
	for how, c := range map[string]struct {
		properties string
		tags       []string
	}{
		"a registry, to tags": {
			"push: false\ntags: [\"REPO:1\"]\nexports: [{ registry: { ociMediaTypes: true } }]\n", []string{":1"},
		},
		"a registry, to names": {
			"exports: [{ registry: { names: [\"REPO:1\", \"REPO:2\"], push: true } }]\n", []string{":1", ":2"},
		},
		"raw": {
			"push: false\nexports: [{ raw: 'type=registry,\"name=REPO:1,REPO:2\",push=true,provenance=false' }]\n",
			[]string{":1", ":2"},
		},
		"an image": {"push: false\ntags: [\"REPO:1\"]\nexports: [{ image: { push: true } }]\n", []string{":1"}},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := open(t, project(t, "context: { location: . }\n"+c.properties, scratchFiles))
			succeeds(t, s.Preview())
			succeeds(t, s.Up("--skip-preview"), "+ 2 created")
			digest, _ := image(t, s).Outputs["digest"].(string)
			for _, tag := range c.tags {
				if got := tagDigest(t, repository(t)+tag); got != digest || digest == "" {
					t.Errorf("%s holds %q, want %q", tag, got, digest)
				}
			}
			if ref := image(t, s).Outputs["ref"]; ref != repository(t)+":1@"+digest {
				t.Errorf("ref is %v", ref)
			}
			succeeds(t, s.Up("--expect-no-changes"))
			last := c.tags[len(c.tags)-1]
			removeTag(t, repository(t)+last)
			succeeds(t, s.Refresh("--yes"))
			succeeds(t, s.Up("--skip-preview"))
			if got := tagDigest(t, repository(t)+last); got != digest {
				t.Errorf("%s was removed, and is not put back: %q", last, got)
			}
			succeeds(t, s.Destroy("--skip-preview"))
			for _, tag := range c.tags {
				if left := tagDigest(t, repository(t)+tag); left != "" {
					t.Errorf("destroy left %s", tag)
				}
			}
		})
	}
}

// An image that is pushed by digest only has no tag.
func TestPushByDigest(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, "context: { location: . }\n"+
		"exports: [{ registry: { names: [\"REPO\"], pushByDigest: true } }]\n", scratchFiles))
	succeeds(t, s.Preview())
	succeeds(t, s.Up("--skip-preview"), "+ 2 created")
	ref, _ := image(t, s).Outputs["ref"].(string)
	if !strings.HasPrefix(ref, repository(t)+"@sha256:") || fetchManifest(t, ref) == nil ||
		ref != image(t, s).Outputs["repoDigest"] {
		t.Errorf("outputs: %v", image(t, s).Outputs)
	}
	if got := tagDigest(t, repository(t)+":latest"); got != "" {
		t.Errorf("latest holds %s", got)
	}
	succeeds(t, s.Up("--expect-no-changes"))
	succeeds(t, s.Destroy("--skip-preview"))
}

// removeTag removes a tag from the tests' registry.
func removeTag(t *testing.T, reference string) {
	t.Helper()
	ref, err := name.ParseReference(reference)
	must(t, err)
	must(t, remote.Delete(ref, remote.WithContext(t.Context())))
}

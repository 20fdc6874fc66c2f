//go:build linux

package e2e

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

const newRepositoryProgram = `resources:
  repository:
    type: aws:ecr:Repository
    properties: { name: team/app }
  image:
    type: buildkit:Image
    properties:
      platforms: [linux/amd64, linux/arm64]
      tags: ["${repository.repositoryUrl}:1"]
outputs:
  digest: ${image.digest}
`

// An image lives from the first preview, before the repository exists, to destroy. Meanwhile tokens expire and an
// access key is replaced.
func TestAnImageInAmazonECR(t *testing.T) {
	t.Parallel()
	a := newAmazon(t)
	s := a.open(t, program(t, newRepositoryProgram, map[string]string{
		"Dockerfile": "FROM BUSYBOX\nCOPY big /\nCOPY file /\n",
		"big":        strings.Repeat("big", 1e5),
		"file":       "one",
	}), "AKIAFIRST")
	createInAmazonECR(t, a, s)
	updateWithExpiredToken(t, a, s)
	updateWhileTokensExpire(t, a, s)

	a.revoke("AKIAFIRST")
	succeeds(t, s.Refresh("--skip-preview"), "the state is kept as it is",
		"The security token included in the request is invalid")
	a.login(t, s, "AKIASECOND")
	succeeds(t, s.Refresh("--expect-no-changes"))
	succeeds(t, s.Destroy("--skip-preview"), "- 3 deleted")
	if left := a.Tags("team/app"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if got := filesWith(t, shared.Daemon, registrytest.TokenMark, secretKey); len(got) > 0 {
		t.Errorf("tokens are in %v", got)
	}
}

// createInAmazonECR previews and creates the image. The preview, and an update without changes, ask the registry
// nothing.
func createInAmazonECR(t *testing.T, a amazon, s *stack.Test) {
	t.Helper()
	preview := s.Preview()
	succeeds(t, preview, `digest: "sha256:`)
	if asked := a.Requests(); len(asked) > 0 {
		t.Errorf("the preview asked %v", asked)
	}
	succeeds(t, s.Up("--skip-preview"), "+ 3 created")
	first := a.Tags("team/app")["1"]
	if digest := resourcesByName(s)["image"].Outputs["digest"]; first == "" || first != digest ||
		linesWith(preview.All(), first) == 0 {
		t.Errorf("the tag holds %q, the state %v; the preview said\n%s", first, digest, preview.All())
	}
	asked := len(a.Requests())
	succeeds(t, s.Up("--expect-no-changes"), "3 unchanged")
	if again := a.Requests()[asked:]; len(again) > 0 {
		t.Errorf("an update without changes asked %v", again)
	}
}

// updateWithExpiredToken updates the image after its token has expired, and checks what was pushed.
func updateWithExpiredToken(t *testing.T, a amazon, s *stack.Test) {
	t.Helper()
	a.Advance(13 * time.Hour)
	must(t, s.Write("file", "two"))
	asked := len(a.Requests())
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	requests := a.requestsSince(asked)
	if puts := withPrefix("PUT /v2/team/app/manifests/", requests); len(puts) != 4 ||
		len(slices.Compact(slices.Sorted(slices.Values(puts)))) != 4 {
		t.Errorf("wrote %v, want two manifests, their index and the tag, once each", puts)
	}
	// Two platforms share the layer with the file, but no configuration.
	if uploads := withPrefix("PUT /v2/team/app/blobs/", requests); len(uploads) != 3 {
		t.Errorf("uploaded %d blobs, want a layer and two configurations: %v", len(uploads), uploads)
	}
}

// updateWhileTokensExpire updates the image. A token expires during the daemon's push, and one during the plugin's.
func updateWhileTokensExpire(t *testing.T, a amazon, s *stack.Test) {
	t.Helper()
	a.Inject(registrytest.Rule{
		Method: http.MethodPut, Path: "/blobs/", Times: 1,
		Fault: func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			a.Advance(13 * time.Hour)
			next.ServeHTTP(w, req)
		},
	})
	a.Inject(registrytest.Rule{
		Method: http.MethodPut, Path: "/manifests/1", Times: 1,
		Fault: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			a.Advance(13 * time.Hour)
			registrytest.Refuse(w, http.StatusForbidden, "DENIED",
				"Your authorization token has expired. Reauthenticate and try again.")
		},
	})
	must(t, s.Write("file", "three"))
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	if held, digest := a.Tags("team/app")["1"], resourcesByName(s)["image"].Outputs["digest"]; held != digest {
		t.Errorf("the tag holds %q, want %v", held, digest)
	}
}

const immutableTags = `
context: { location: . }
platforms: [linux/amd64, linux/arm64]
tags: ["HOST/app:{hash}", "HOST/app:latest"]
`

// All tags but latest are immutable, and {hash} gives each image its own tag. Going back a commit and a second machine
// need no builder. The second machine reads the index, its manifests and their configurations before it moves a tag.
func TestHashTagsInAnImmutableRepository(t *testing.T) {
	t.Parallel()
	a := newAmazon(t)
	a.Repository("app", registrytest.ImmutableWithExclusion, "latest*")
	files := map[string]string{"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "one", ".dockerignore": "Pulumi*\n"}
	s := a.open(t, project(t, withHost(a.Host(), immutableTags), files), "AKIAONE")
	succeeds(t, s.Up("--skip-preview"))
	first := a.Tags("app")["latest"]
	must(t, s.Write("file", "two"))
	succeeds(t, s.Up("--skip-preview"))
	second := a.Tags("app")["latest"]
	if second == first || len(a.Tags("app")) != 3 {
		t.Errorf("the tags are %v", a.Tags("app"))
	}

	must(t, s.Write("file", "one"))
	replaceProgram(t, s, project(t, withHost(a.Host(), immutableTags+noBuilder), nil))
	succeeds(t, s.Up(), "~ 1 updated")
	if held := a.Tags("app")["latest"]; held != first {
		t.Errorf("after the rollback latest holds %s, want %s", held, first)
	}

	other := a.open(t, project(t, withHost(a.Host(),
		strings.ReplaceAll(immutableTags, ":latest", ":latest-2")+noBuilder), files), "AKIAOTHER")
	asked := len(a.Requests())
	a.Wrap(requireParallel(2, "/v2/app/manifests/sha256:"))
	succeeds(t, other.Up("--skip-preview"), "+ 2 created")
	requests := a.requestsSince(asked)
	isHead := func(r string) bool { return strings.HasPrefix(r, http.MethodHead) } // of a tag
	before := requests[:slices.IndexFunc(requests, isHead)]
	manifests := withPrefix("GET /v2/app/manifests/sha256:", before)
	configs := withPrefix("GET /v2/app/blobs/sha256:", before)
	if len(before) != 1+2+2 || len(manifests) != 2 || len(configs) != 2 {
		t.Errorf("before the tags: %v, want the index by its tag, then its two manifests side by side, then their "+
			"configurations", before)
	}
	if a.Tags("app")["latest-2"] != first {
		t.Errorf("the tags are %v", a.Tags("app"))
	}
}

// requireParallel holds GET requests below path until n of them have come, so that requests one after the other hang.
func requireParallel(n int, path string) func(http.Handler) http.Handler {
	var group sync.WaitGroup
	group.Add(n)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Method == http.MethodGet && strings.HasPrefix(req.URL.Path, path) {
				group.Done()
				group.Wait()
			}
			next.ServeHTTP(w, req)
		})
	}
}

// The preview warns of a tag that cannot move, and the update fails before it uploads. The same image under the tag is
// no error, even if the state does not know it.
func TestImmutableTagIsFoundBeforeThePush(t *testing.T) {
	t.Parallel()
	a := newAmazon(t)
	a.Repository("app", registrytest.Immutable)
	files := map[string]string{"Dockerfile": "FROM scratch\nCOPY file /\n", "file": "one", ".dockerignore": "Pulumi*\n"}
	s := a.open(t, project(t, withHost(a.Host(), "platforms: [linux/amd64]\ntags: [\"HOST/app:1.0\"]"), files),
		"AKIAONE")
	succeeds(t, s.Up("--skip-preview"))
	held := a.Tags("app")["1.0"]
	cli(t, s, "state", "delete", urn("image"), "--yes")
	succeeds(t, s.Up("--skip-preview"), "+ 1 created")

	must(t, s.Write("file", "two"))
	said := s.Preview()
	failure := "tag " + a.Host() + "/app:1.0: immutable tag: it holds " + held + ", not sha256:"
	remedy := "use a tag that changes with its content, such as " + a.Host() + "/app:{hash}"
	succeeds(t, said, "warning: the update will fail: "+failure, remedy)
	asked := len(a.Requests())
	fails(t, s.Up("--skip-preview"), failure, remedy)
	if uploads := append(withPrefix("POST", a.requestsSince(asked)),
		withPrefix("PUT", a.requestsSince(asked))...); len(uploads) > 0 {
		t.Errorf("uploaded: %v", uploads)
	}
	if a.Tags("app")["1.0"] != held || image(t, s).Outputs["digest"] != held {
		t.Errorf("the tags are %v, the state has %v", a.Tags("app"), image(t, s).Outputs["digest"])
	}
}

//go:build linux

package provider

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// mountedImage is an image with a step that fills a cache mount. It is built again and again by one daemon, whose mount
// can be emptied.
type mountedImage struct {
	cachedImage
	id     string // of the mount
	mounts *registrytest.Registry
	base   string
	count  int
}

// newMountedImage returns an image that is pushed to one registry and keeps its mount in another.
func newMountedImage(t *testing.T, settings *settings, options string) *mountedImage {
	t.Helper()
	embedded.Endpoint(t)
	image, mounts := registrytest.New(t), registrytest.New(t)
	m := &mountedImage{
		id: "mount of " + t.Name(), mounts: mounts, base: pushBusybox(t, image.Host()),
		cachedImage: newCachedImage(t, settings, `{}`, `"tags": ["`+image.Host()+`/app:1"], "cacheMounts": {"ref": "`+
			mounts.Host()+`/mounts"`+options+`}`),
	}
	return m
}

// build creates the image with a step that has not run before. It returns what the log says of mounts.
func (m *mountedImage) build(t *testing.T, preview bool) string {
	t.Helper()
	m.count++
	before := len(m.logText())
	step := fmt.Sprintf(`RUN --mount=type=cache,target=/c,id=%s echo %d >>/c/lines && echo %s`,
		strings.ReplaceAll(m.id, " ", "-"), m.count, time.Now())
	if _, err := m.createWith(t, "FROM "+m.base+"\n"+step, preview); err != nil {
		t.Fatal(err)
	}
	return m.logText()[before:]
}

// empty removes the mount from the daemon.
func (m *mountedImage) empty(t *testing.T) {
	t.Helper()
	e, err := endpoint.Parse(embedded.Endpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	c, err := e.Dial(t.Context(), endpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	filter := `type==exec.cachemount,description~="` + strings.ReplaceAll(m.id, " ", "-") + `"`
	removed := make(chan client.UsageInfo, 10)
	if err := c.Prune(t.Context(), removed, client.PruneAll, client.WithFilter([]string{filter})); err != nil {
		t.Fatal(err)
	}
	if len(removed) == 0 {
		t.Fatal("the daemon had no mount")
	}
}

// storedTags returns the tags of the mounts.
func (m *mountedImage) storedTags(t *testing.T) []string {
	t.Helper()
	repository, err := name.NewRepository(m.mounts.Host() + "/mounts")
	if err != nil {
		t.Fatal(err)
	}
	tags, err := remote.List(repository, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return tags
}

// A preview saves nothing. An update saves the mount after the tags have moved, and then only what changed. A builder
// whose mount is empty gets it back, in a preview too. With save: false nothing is written.
func TestCacheMounts(t *testing.T) { //nolint:paralleltest // one daemon
	m := newMountedImage(t, &settings{}, ``)
	isPut := func(q registrytest.Request) bool { return q.Method != http.MethodGet && q.Method != http.MethodHead }
	log := m.build(t, true)
	if strings.Contains(log, "cache mount") || slices.ContainsFunc(m.mounts.Requests(), isPut) {
		t.Errorf("the preview logged %s", log)
	}
	log = m.build(t, false)
	if !strings.Contains(log, "saved the cache mount mount-of-TestCacheMounts: 1 file, 4B in ") {
		t.Errorf("the update logged %s", log)
	}
	if tags := m.storedTags(t); len(tags) != 1 || !strings.HasPrefix(tags[0], "mount-of-TestCacheMounts-") {
		t.Errorf("the tags are %v", tags)
	}
	if log := m.build(t, true); strings.Contains(log, "restored") || strings.Contains(log, "not restored") {
		t.Errorf("a mount that was there: %s", log)
	}
	m.empty(t)
	log = m.build(t, true)
	if !strings.Contains(log, "restored the cache mount mount-of-TestCacheMounts: 1 file, 4B in ") {
		t.Errorf("a mount that was empty: %s", log)
	}
	m.inputs = strings.Replace(m.inputs, `/mounts"`, `/mounts", "save": false, "ids": ["other"]`, 1)
	before := len(m.mounts.Requests())
	log = m.build(t, false)
	const want = `no step mounts a cache with the id "other": there are mount-of-TestCacheMounts. Correct it`
	if !strings.Contains(log, want) || len(m.mounts.Requests()) != before {
		t.Errorf("save: false logged %s and sent %v", log, m.mounts.Requests()[before:])
	}
}

// Whatever is wrong with the place of the mounts, the image is built and pushed. A warning has the cause.
func TestCacheMountsThatFail(t *testing.T) { //nolint:paralleltest // one daemon
	denied := registrytest.Status(http.StatusForbidden, "DENIED", "no", "")
	cases := map[string]struct {
		restore, save *registrytest.Rule
		want          string
	}{
		"refused registry": {
			&registrytest.Rule{Method: http.MethodGet, Path: "/mounts/manifests/", Fault: denied}, nil,
			"was not restored from REF: 403 denied: no",
		},
		"silent": {
			&registrytest.Rule{Method: http.MethodGet, Path: "/mounts/manifests/", Fault: registrytest.Stall}, nil,
			"was not restored from REF: ",
		},
		"silent layer": {
			&registrytest.Rule{Method: http.MethodGet, Path: "/mounts/blobs/", Fault: registrytest.Stall}, nil,
			"was not restored from REF: it took longer than 10s, which is all that cache mounts are given",
		},
		"corrupt layer": {
			&registrytest.Rule{Method: http.MethodGet, Path: "/mounts/blobs/", Fault: corrupt}, nil,
			"was not restored from REF: ",
		},
		"refused save": {
			nil, &registrytest.Rule{Method: http.MethodPost, Path: "/mounts/blobs/", Fault: denied},
			"was not saved to REF: 403 denied: no",
		},
		"silent save": {
			nil, &registrytest.Rule{Method: http.MethodPut, Path: "/mounts/", Fault: registrytest.Stall},
			"was not saved to REF: ",
		},
	}
	for name, c := range cases { //nolint:paralleltest // one daemon
		t.Run(name, func(t *testing.T) {
			m := newMountedImage(t, &settings{mountLimit: 10 * time.Second, stallTimeout: time.Second}, ``)
			m.build(t, false)
			tag := m.storedTags(t)[0]
			if c.restore != nil {
				m.mounts.Inject(*c.restore)
				m.empty(t)
			} else {
				m.mounts.Inject(*c.save)
			}
			log := m.build(t, false)
			ref := m.mounts.Host() + "/mounts:" + tag
			want := strings.ReplaceAll(c.want, "REF", ref)
			if !strings.Contains(log, want) || !strings.Contains(log, "WARNING cacheMounts: ") {
				t.Errorf("logged %s\nwant %s", log, want)
			}
		})
	}
}

// corrupt answers with other bytes than the registry has.
func corrupt(w http.ResponseWriter, req *http.Request, next http.Handler) {
	next.ServeHTTP(&flipWriter{w}, req)
}

type flipWriter struct{ http.ResponseWriter }

// Write flips each byte.
func (f *flipWriter) Write(data []byte) (int, error) {
	flipped := slices.Clone(data)
	for i := range flipped {
		flipped[i] ^= 0xff
	}
	return f.ResponseWriter.Write(flipped)
}

// An image of somebody else under the tag of a mount is not restored, and neither is one that holds another mount.
func TestForeignCacheMounts(t *testing.T) { //nolint:paralleltest // one daemon
	m := newMountedImage(t, &settings{}, `, "save": true`)
	m.build(t, false)
	tag, err := name.NewTag(m.mounts.Host() + "/mounts:" + m.storedTags(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	other := registrytest.Image(t, "linux/amd64")
	if err := remote.Write(tag, other, remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	m.empty(t)
	want := "was not restored from " + tag.Name() + ": the image holds no cache mount; remove the tag, or give"
	if log := m.build(t, false); !strings.Contains(log, want) || !strings.Contains(log, "saved the cache mount") {
		t.Errorf("logged %s\nwant %s", log, want)
	}
}

// Nothing is saved of an image that is not pushed, nor of one whose tags have not moved.
func TestCacheMountsOfAnImageWithoutTags(t *testing.T) { //nolint:paralleltest // one daemon
	image := registrytest.New(t)
	m := newMountedImage(t, &settings{stallTimeout: time.Second}, ``)
	pushed := m.inputs
	m.inputs = `"push": false, "exports": [{"cacheonly": {}}], ` + pushed
	if log := m.build(t, false); strings.Contains(log, "cache mount") {
		t.Errorf("push: false logged %s", log)
	}
	_, mounts, _ := strings.Cut(pushed, `"cacheMounts"`)
	m.inputs = `"tags": ["` + image.Host() + `/app:1"], "pushTimeout": 1, "cacheMounts"` + mounts
	image.Inject(registrytest.Rule{
		Method: http.MethodPut, Path: "/app/manifests/1",
		Fault: registrytest.Status(http.StatusForbidden, "DENIED", "no", ""),
	})
	id := strings.ReplaceAll(m.id, " ", "-")
	step := "FROM " + m.base + "\nRUN --mount=type=cache,target=/c,id=" + id + " date >/c/a"
	if _, err := m.createWith(t, step, false); err == nil {
		t.Error("the tag has moved")
	}
	wrote := func(q registrytest.Request) bool { return q.Method != http.MethodGet && q.Method != http.MethodHead }
	if all := m.mounts.Requests(); slices.ContainsFunc(all, wrote) {
		t.Errorf("the mounts got %v", all)
	}
	m.inputs = pushed
	if log := m.build(t, false); !strings.Contains(log, "saved the cache mount") {
		t.Errorf("the next update logged %s", log)
	}
}

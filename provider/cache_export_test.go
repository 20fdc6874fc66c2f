package provider

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// cachedImage is an image with caches, on the embedded daemon. Only its bytes can be counted, so its tests do not run
// side by side: the bytes of another one would count as progress.
type cachedImage struct {
	*wire
	inputs string // JSON of the inputs besides the files
}

// newCachedImage serves a provider for an image with these inputs.
func newCachedImage(t *testing.T, settings *settings, config, inputs string) cachedImage {
	t.Helper()
	embedded.Endpoint(t)
	return cachedImage{dial(t, newProvider(settings), config), inputs}
}

// create creates the image of a Dockerfile with a file that no other image has.
func (i cachedImage) create(t *testing.T, preview bool) (*pulumirpc.CreateResponse, error) {
	t.Helper()
	return i.createWith(t, "FROM scratch\nCOPY <<EOF /a\n"+t.Name()+"\nEOF\n", preview)
}

// createWith creates the image of another Dockerfile.
func (i cachedImage) createWith(t *testing.T, dockerfile string, preview bool) (*pulumirpc.CreateResponse, error) {
	t.Helper()
	checked, err := i.Check(t.Context(), &pulumirpc.CheckRequest{
		Urn: string(urn), News: marshalProperties(t, props(t, `{"platforms": ["linux/amd64"],
			"context": {"location": "`+t.TempDir()+`"},
			"dockerfile": {"inline": `+strconv.Quote(dockerfile)+`}, `+i.inputs+`}`)),
	})
	if err != nil || len(checked.GetFailures()) > 0 {
		t.Fatal(err, checked.GetFailures())
	}
	return i.Create(t.Context(), &pulumirpc.CreateRequest{
		Urn: string(urn), Properties: checked.GetInputs(), Preview: preview,
	})
}

// mustCreate creates the image and returns its digest.
func (i cachedImage) mustCreate(t *testing.T) string {
	t.Helper()
	res, err := i.create(t, false)
	if err != nil {
		t.Fatal(err)
	}
	return res.GetProperties().GetFields()["digest"].GetStringValue()
}

// registryCacheTo returns the inputs of an image that is pushed to one registry and writes a cache to another.
func registryCacheTo(image, cache *registrytest.Registry, options string) string {
	return fmt.Sprintf(`"tags": ["%s/app:1"], "cacheTo": [{"inline": {}}, {"registry": {"ref": "%s/cache:app"%s}}]`,
		image.Host(), cache.Host(), options)
}

// Nothing is asked of the cache before the last tag has moved. A preview asks nothing. The line about the cache has its
// time.
func TestTagsMoveBeforeACacheIsWritten(t *testing.T) { //nolint:paralleltest // one daemon
	r := registrytest.New(t)
	i := newCachedImage(t, &settings{}, `{}`, strings.Replace(registryCacheTo(r, r, ""), `/app:1"`,
		`/app:1", "`+r.Host()+`/other:2"`, 1))
	ofCache := func(q registrytest.Request) bool { return strings.HasPrefix(q.Path, "/v2/cache/") }
	if _, err := i.create(t, true); err != nil || slices.ContainsFunc(r.Requests(), ofCache) {
		t.Fatalf("%v; the preview sent %v", err, r.Requests())
	}
	i.mustCreate(t)
	all := r.Requests()
	tagged := func(path string) int {
		return slices.IndexFunc(all, func(q registrytest.Request) bool {
			return q.Method == http.MethodPut && q.Path == path
		})
	}
	first, wrote := slices.IndexFunc(all, ofCache), tagged("/v2/cache/manifests/app")
	if moved := tagged("/v2/other/manifests/2"); moved < 0 || tagged("/v2/app/manifests/1") < 0 || first < moved {
		t.Errorf("the first request to the cache is number %d of\n%v", first, all)
	}
	if i := slices.IndexFunc(all[first:], func(q registrytest.Request) bool { return !ofCache(q) }); i >= 0 {
		t.Errorf("the image was touched again: %v", all[first:][i])
	}
	line := regexp.MustCompile(`wrote the cache ` + r.Host() + `/cache:app in [0-9.]+m?s`)
	if wrote < first || !line.MatchString(i.logText()) {
		t.Errorf("logged %s after\n%v", i.logText(), all)
	}
}

// An update succeeds if a cache cannot be written. A warning names the cache, the cause and what to do. With
// ignoreError it is no warning.
func TestACacheThatCannotBeWritten(t *testing.T) { //nolint:paralleltest // one daemon
	refuse := registrytest.Status(http.StatusForbidden, "DENIED", "no", "")
	cases := map[string]struct {
		rule  registrytest.Rule
		limit time.Duration
		want  string
	}{
		"refused": {
			registrytest.Rule{Method: http.MethodPost, Path: "/cache/blobs/", Fault: refuse}, 0,
			"403 denied: no; give the user of ",
		},
		"silent": {
			registrytest.Rule{Method: http.MethodPut, Path: "/cache/", Fault: registrytest.Stall}, 0,
			"writing the cache: nothing of it was taken within 1s; look at the registry or the storage that it goes to",
		},
		"slow": {
			registrytest.Rule{Method: http.MethodPut, Path: "/cache/", Fault: registrytest.Stall}, time.Second / 2,
			"it took longer than 500ms, which is all that caches are given; look at the registry",
		},
	}
	for name, c := range cases { //nolint:paralleltest // one daemon
		for _, ignored := range []string{"false", "true"} {
			t.Run(name+" "+ignored, func(t *testing.T) {
				good, bad := registrytest.New(t), registrytest.New(t)
				bad.Inject(c.rule)
				i := newCachedImage(t, &settings{stallTimeout: time.Second, cacheLimit: c.limit}, `{}`,
					registryCacheTo(good, bad, `, "ignoreError": `+ignored))
				if digest := i.mustCreate(t); digest == "" {
					t.Error("the state has no digest")
				}
				want := "cacheTo: " + bad.Host() + "/cache:app was not written: " + c.want
				isWarning := strings.Contains(i.logText(), "The image is complete without it, and the next")
				if !strings.Contains(i.logText(), want) || isWarning != (ignored == "false") {
					t.Errorf("got %s\nwant %s", i.logText(), want)
				}
			})
		}
	}
}

// A cache that the builder cannot even begin to write does not stop the others. The token of this one is none.
func TestACacheThatTheBuilderCannotWrite(t *testing.T) {
	const canary = "canary-token"
	t.Setenv("ACTIONS_RUNTIME_TOKEN", canary)
	t.Setenv("ACTIONS_CACHE_URL", "http://127.0.0.1:1/")
	r := registrytest.New(t)
	i := newCachedImage(t, &settings{}, `{}`, `"tags": ["`+r.Host()+`/app:1"],
		"cacheTo": [{"gha": {"scope": "app"}}, {"registry": {"ref": "`+r.Host()+`/cache"}}]`)
	i.mustCreate(t)
	for _, want := range []string{
		"cacheTo: gha app was not written: the builder cannot write a cache of type gha: ",
		"; correct the cache, or take another builder. The image", "wrote the cache " + r.Host() + "/cache in ",
	} {
		if !strings.Contains(i.logText(), want) || strings.Contains(i.logText(), canary) {
			t.Errorf("logged %s, want %s", i.logText(), want)
		}
	}
}

// If caches are all that a build makes, one that cannot be written is an error, so that the next update tries again.
func TestABuildThatMakesOnlyCaches(t *testing.T) { //nolint:paralleltest // one daemon
	for ignored, want := range map[string]string{"true": "", "false": "/cache:app was not written: 403 denied"} {
		r := registrytest.New(t)
		r.Inject(registrytest.Rule{
			Method: http.MethodPost, Path: "/cache/blobs/",
			Fault: registrytest.Status(http.StatusForbidden, "DENIED", "no", ""),
		})
		i := newCachedImage(t, &settings{}, `{}`, `"exports": [{"cacheonly": {}}], "cacheTo": [
			{"registry": {"ref": "`+r.Host()+`/cache:app", "ignoreError": `+ignored+`}}]`)
		if _, err := i.create(t, false); (err == nil) != (want == "") || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("ignoreError %s: got %v, want %q", ignored, err, want)
		}
	}
}

// Caches that are all that a build makes may take as long as they need, if something of them is taken.
func TestOnlyCachesHaveNoLimitOfTime(t *testing.T) { //nolint:paralleltest // one daemon
	r := registrytest.New(t)
	r.Inject(registrytest.Rule{Method: http.MethodPut, Path: "/cache/", Fault: registrytest.Stall})
	i := newCachedImage(t, &settings{stallTimeout: 2 * time.Second, cacheLimit: time.Second / 2}, `{}`,
		`"exports": [{"cacheonly": {}}], "cacheTo": [{"registry": {"ref": "`+r.Host()+`/cache:app"}}]`)
	_, err := i.create(t, false)
	if want := "nothing of it was taken within 2s"; !strings.Contains(fmt.Sprint(err), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// stallCache makes a registry take a cache and say nothing. The channel closes when it does.
func stallCache(r *registrytest.Registry) (reached chan struct{}) {
	reached = make(chan struct{})
	first := sync.OnceFunc(func() { close(reached) })
	r.Inject(registrytest.Rule{Method: http.MethodPut, Path: "/cache/",
		Fault: func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			first()
			registrytest.Stall(w, req, next)
		}})
	return reached
}

// A person who cancels while a cache is written has the image in the state, within 5 s.
func TestCancelWhileACacheIsWritten(t *testing.T) { //nolint:paralleltest // one daemon
	good, bad := registrytest.New(t), registrytest.New(t)
	i := newCachedImage(t, &settings{}, `{}`, registryCacheTo(good, bad, ""))
	reached := stallCache(bad)
	canceled := make(chan time.Time, 1)
	go func() {
		<-reached
		canceled <- time.Now()
		_, _ = i.Cancel(t.Context(), &emptypb.Empty{})
	}()
	digest := i.mustCreate(t)
	if took := time.Since(<-canceled); took > 5*time.Second {
		t.Errorf("the update ended %s after it was canceled", took)
	}
	if digest == "" || !strings.Contains(i.logText(), "/cache:app was not written: ") {
		t.Errorf("digest %q, logged %s", digest, i.logText())
	}
}

// While the cache of one image is written, another image builds, although one may build at a time.
func TestAnotherImageBuildsWhileACacheIsWritten(t *testing.T) { //nolint:paralleltest // one daemon
	good, bad := registrytest.New(t), registrytest.New(t)
	i := newCachedImage(t, &settings{}, `{"maxParallelBuilds": 1}`, registryCacheTo(good, bad, ""))
	reached := stallCache(bad)
	var wrote sync.WaitGroup
	wrote.Go(func() { i.mustCreate(t) })
	<-reached
	other := cachedImage{i.wire, `"tags": ["` + good.Host() + `/other:1"]`}
	if digest := other.mustCreate(t); digest == "" {
		t.Error("the other image has no digest")
	}
	if strings.Contains(i.logText(), "was not written") {
		t.Error("the other image was built too late")
	}
	_, _ = i.Cancel(t.Context(), &emptypb.Empty{})
	wrote.Wait()
}

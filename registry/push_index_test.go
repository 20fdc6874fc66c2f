package registry_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

var (
	busy   = registrytest.Status(http.StatusTooManyRequests, "TOOMANYREQUESTS", "slow down", "")
	broken = registrytest.Status(http.StatusInternalServerError, "UNKNOWN", "no", "")
	denied = registrytest.Status(http.StatusForbidden, "DENIED", "not yours", "")
)

// serveOther answers with as many other bytes.
func serveOther(w http.ResponseWriter, req *http.Request, next http.Handler) {
	next.ServeHTTP(&otherBytes{w}, req)
}

type otherBytes struct{ http.ResponseWriter }

func (o *otherBytes) Write(p []byte) (int, error) {
	return o.ResponseWriter.Write([]byte(strings.Repeat("x", len(p))))
}

// refuseBody answers with 401 once the whole body was sent, as a registry does whose token expires on the way.
func refuseBody(w http.ResponseWriter, req *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, req.Body)
	w.Header().Set("Www-Authenticate", `Bearer realm="http://`+req.Host+registrytest.TokenPath+`",service="x"`)
	registrytest.Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "expired")
}

// side is the registry at which a fault of TestCopyFaults happens.
type side string

const atSource, atTarget side = "source", "target"

// The paths of the requests that fail in TestCopyFaults.
const copyUploads, copyBlobs, copyManifests = "/blobs/uploads/", "/blobs/sha256:", "/manifests/"

// copyFaults are the cases of TestCopyFaults, by name.
var copyFaults = map[string]struct {
	side   side
	method string
	path   string
	times  int
	fault  registrytest.Fault
	want   []string // in the error
}{
	"429 to HEAD of a blob":        {atTarget, http.MethodHead, copyBlobs, 2, busy, nil},
	"429 to POST":                  {atTarget, http.MethodPost, copyUploads, 2, busy, nil},
	"429 to PUT of a blob":         {atTarget, http.MethodPut, copyUploads, 2, busy, nil},
	"429 to PUT of a manifest":     {atTarget, http.MethodPut, copyManifests, 2, busy, nil},
	"429 to reading it back":       {atTarget, http.MethodGet, copyManifests, 2, busy, nil},
	"429 to GET of a blob":         {atSource, http.MethodGet, copyBlobs, 2, busy, nil},
	"500 to GET of a blob":         {atSource, http.MethodGet, copyBlobs, 2, broken, nil},
	"500 to PUT of a blob":         {atTarget, http.MethodPut, copyUploads, 2, broken, nil},
	"reset in the answer":          {atSource, http.MethodGet, copyBlobs, 2, registrytest.ResetAnswer(20), nil},
	"reset in a blob":              {atTarget, http.MethodPut, copyUploads, 2, registrytest.Reset(20), nil},
	"reset after a blob":           {atTarget, http.MethodPut, copyUploads, 1, registrytest.ResetAnswer(0), nil},
	"silence at GET":               {atSource, http.MethodGet, copyBlobs, 1, registrytest.Stall, nil},
	"silence after a blob":         {atTarget, http.MethodPut, copyUploads, 1, registrytest.Stall, nil},
	"silence after a manifest":     {atTarget, http.MethodPut, copyManifests, 1, registrytest.Stall, nil},
	"the token expires on the way": {atTarget, http.MethodPut, copyUploads, 1, refuseBody, nil},
	"429 for ever": {atTarget, http.MethodPut, copyUploads, 0, busy,
		[]string{
			"copying FROM/app@sha256:", " to TO/app: layer sha256:", "429 rate limited: slow down (tried 4 times",
		}},
	"500 for ever": {atSource, http.MethodGet, copyBlobs, 0, broken,
		[]string{"layer sha256:", "500 no (tried 4 times"}},
	"other bytes": {atSource, http.MethodGet, copyBlobs, 0, serveOther,
		[]string{"layer sha256:", "content mismatch: the registry served sha256:"}},
	"no access": {atSource, http.MethodGet, copyBlobs, 0, denied,
		[]string{"layer sha256:", "403 denied: not yours"}},
	"no upload": {atTarget, http.MethodPost, copyUploads, 0, denied,
		[]string{"layer sha256:", "403 denied: not yours"}},
	"a blob is lost": {atTarget, http.MethodPut, copyUploads, 0, registrytest.Lose,
		[]string{"copying FROM/app@sha256:"}},
	"a manifest is lost": {atTarget, http.MethodPut, copyManifests, 0, registrytest.Lose,
		[]string{"copying FROM/app@sha256:", "reading it back: not found"}},
	"another digest is promised": {atTarget, http.MethodPut, copyManifests, 0,
		registrytest.Digest("sha256:" + strings.Repeat("0", 64)),
		[]string{"content mismatch: the registry calls sha256:"}},
	"silence for ever": {atSource, http.MethodGet, copyBlobs, 0, registrytest.Stall,
		[]string{"unreachable: no byte went from FROM to TO within 1.2s (tried 4 times"}},
}

// A copy from one registry to another succeeds in spite of a fault on either side, or its error names the side.
func TestCopyFaults(t *testing.T) {
	t.Parallel()
	for name, test := range copyFaults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, target := registrytest.New(t), registrytest.New(t)
			digest := source.Push(t, "app", registrytest.Index(t, "linux/amd64"))
			login := registry.Login{Address: target.Host(), Username: "u", Password: "p"}
			client := registry.New(dockerKeychain(t, `{}`, login), registry.Options{
				Timeout: 300 * time.Millisecond, RetryWaits: slices.Repeat([]time.Duration{10 * time.Millisecond}, 3),
			})
			target.AskForTokens("", "u", "p")
			index, err := client.Combine(t.Context(), registry.IndexRequest{Sources: []registry.IndexSource{
				{Repository: source.Host() + "/app", Digest: digest},
			}})
			if err != nil {
				t.Fatal(err)
			}
			faulty := map[side]*registrytest.Registry{atSource: source, atTarget: target}[test.side]
			faulty.Inject(registrytest.Rule{Method: test.method, Path: test.path, Times: test.times, Fault: test.fault})
			err = client.PushIndex(t.Context(), target.Host()+"/app", index)
			if (err != nil) != (test.want != nil) {
				t.Fatal(err)
			}
			names := strings.NewReplacer("FROM", source.Host(), "TO", target.Host())
			for _, want := range test.want {
				if !strings.Contains(err.Error(), names.Replace(want)) {
					t.Errorf("the error lacks %q: %v", names.Replace(want), err)
				}
			}
			if err == nil {
				exists, err := client.Exists(t.Context(), target.Host()+"/app", digest)
				if err != nil || !exists {
					t.Errorf("the registry has the index: %t, %v", exists, err)
				}
			}
		})
	}
}

// A registry that does not mount a layer gets its bytes.
func TestCopyWithoutMount(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]registrytest.Fault{
		"403": denied,
		"405": registrytest.Status(http.StatusMethodNotAllowed, "UNSUPPORTED", "no", ""),
		"202": func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			req.URL.RawQuery = ""
			next.ServeHTTP(w, req)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			digest := r.Push(t, "app", registrytest.Image(t, "linux/amd64"))
			r.Inject(registrytest.Rule{Method: http.MethodPost, Path: "/v2/copy/", Fault: func(
				w http.ResponseWriter, req *http.Request, next http.Handler,
			) {
				if req.URL.Query().Get("mount") != "" {
					answer(w, req, next)
					return
				}
				next.ServeHTTP(w, req)
			}})
			pushCombined(t, r.Host()+"/copy", registry.IndexRequest{
				Sources: []registry.IndexSource{source(r, "app", digest)},
			})
		})
	}
}

// A layer is copied without holding it in memory, and may be longer than any other answer.
func TestCopyOfALargeLayer(t *testing.T) {
	t.Parallel()
	from := registrytest.New(t, registrytest.Folder(t.TempDir()))
	to := registrytest.New(t, registrytest.Folder(t.TempDir()))
	digest := from.Push(t, "app", registrytest.LargeImage(t, "linux/amd64", 20<<20))
	got := pushCombined(t, to.Host()+"/app", registry.IndexRequest{
		Sources: []registry.IndexSource{source(from, "app", digest)},
	})
	if got.Manifests[0].Size < 20<<20 {
		t.Errorf("got %v", got.Manifests)
	}
}

// A login that may not push is named with the registry that refused it, and nothing is copied.
func TestPushIndexWithoutLogin(t *testing.T) {
	t.Parallel()
	from, to := registrytest.New(t), registrytest.New(t, registrytest.Login("user", "secret"))
	digest := from.Push(t, "app", registrytest.Index(t, "linux/amd64"))
	client := anonymousClient(t)
	index, err := client.Combine(t.Context(), registry.IndexRequest{
		Sources: []registry.IndexSource{source(from, "app", digest)},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = client.PushIndex(t.Context(), to.Host()+"/app", index)
	if err == nil || !strings.Contains(err.Error(), "401 unauthorized: no credentials for "+to.Host()) ||
		!slices.Contains(faultsOf(err), fault.NoCredentials) {
		t.Errorf("got %v", err)
	}
	for _, r := range to.Requests() {
		if r.Method == http.MethodPut {
			t.Errorf("got %v", r)
		}
	}
}

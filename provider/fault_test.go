package provider

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// secretKey is the one in the environment of these tests.
const secretKey = "aws-secret-canary"

// faulty is an Amazon ECR, or another registry, in which tag 1 of app holds an old image, and a provider that has a
// real daemon.
type faulty struct {
	*registrytest.ECR
	*wire
	old string
}

func newFaulty(t *testing.T, logins ...string) faulty {
	t.Helper()
	return newFaultyWithin(t, 2*time.Second, logins...)
}

// newFaultyWithin is newFaulty with a provider that gives a daemon up after so much silence.
func newFaultyWithin(t *testing.T, silence time.Duration, logins ...string) faulty {
	t.Helper()
	f := faulty{ECR: registrytest.NewECR(t)}
	f.Repository("app", "")
	f.old = f.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
	settings := &settings{silence: silence, registry: registry.Options{
		Timeout: 2 * time.Second, RetryWaits: slices.Repeat([]time.Duration{10 * time.Millisecond}, 12),
	}}
	f.wire = dial(t, newProvider(settings), `{"host": "`+machines[0].Endpoint(t)+`",
		"ecr": {"endpoint": "`+f.Endpoint()+`", "region": "eu-west-1", "hosts": ["`+f.Host()+`"]},
		"registries": [`+strings.Join(logins, ",")+`]}`)
	return f
}

// apply creates the image of a Dockerfile at the tags, as pulumi up does. A line of its own makes it an image that no
// registry has.
func (f faulty) apply(t *testing.T, dockerfile string, tags ...string) (property.Map, error) {
	t.Helper()
	inline := props(t, `{}`).Set("inline",
		property.New(dockerfile+"\nLABEL test=\""+t.Name()+"\"\nCOPY <<EOF /a\n"+t.Name()+"\nEOF\n"))
	inputs := props(t, `{"platforms": ["linux/amd64"]}`).
		Set("tags", list(tags)).
		Set("dockerfile", property.New(inline)).
		Set("context", property.New(props(t, `{"location": "`+t.TempDir()+`"}`)))
	checked, err := f.Check(t.Context(), &pulumirpc.CheckRequest{Urn: string(urn), News: packed(t, inputs)})
	if err != nil || len(checked.GetFailures()) > 0 {
		t.Fatal(err, checked.GetFailures())
	}
	created, err := f.Create(t.Context(), &pulumirpc.CreateRequest{Urn: string(urn), Properties: checked.GetInputs()})
	return unpacked(t, created.GetProperties()), err
}

func inject(method, path string, times int, fault registrytest.Fault) func(*testing.T, faulty) {
	return func(_ *testing.T, f faulty) {
		f.Inject(registrytest.Rule{Method: method, Path: path, Times: times, Fault: fault})
	}
}

func deny(action string) func(*testing.T, faulty) {
	return func(_ *testing.T, f faulty) { f.Deny(action) }
}

const (
	byDigest = "/v2/app/manifests/sha256:"
	byTag    = "/v2/app/manifests/1"
	uploads  = "/v2/app/blobs/uploads/"
	blobs    = "/v2/app/blobs/sha256:"
	zeros    = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
)

var (
	throttled = registrytest.Status(http.StatusTooManyRequests, "TOOMANYREQUESTS", "Rate exceeded", "")
	throttle1 = registrytest.Status(http.StatusTooManyRequests, "TOOMANYREQUESTS", "Rate exceeded", "1")
	failing   = registrytest.Status(http.StatusInternalServerError, "UNKNOWN", "no", "")
	expired   = registrytest.Status(http.StatusForbidden, "DENIED",
		"Your authorization token has expired. Reauthenticate and try again.", "")
	kms       = registrytest.Status(http.StatusForbidden, "DENIED", "KmsException: key is disabled", "")
	forbidden = registrytest.Status(http.StatusForbidden, "DENIED", "BlockedByOrganizationPolicyException: no", "")
)

func unchallenged(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	http.Error(w, "Not Authorized", http.StatusUnauthorized)
}

const harborQuota = "adding 1.2 MiB of storage resource, which when updated to current usage of 9.1 MiB will exceed " +
	"the configured upper limit of 10.0 MiB."

// page answers as a proxy does.
func page(status int) registrytest.Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		http.Error(w, "<html>"+http.StatusText(status)+"</html>", status)
	}
}

func slow(w http.ResponseWriter, req *http.Request, next http.Handler) {
	select {
	case <-time.After(time.Second):
	case <-req.Context().Done():
	}
	next.ServeHTTP(w, req)
}

func noHeader(w http.ResponseWriter, req *http.Request, next http.Handler) {
	next.ServeHTTP(w, req)
	w.Header().Del("Docker-Content-Digest")
}

func otherBytes(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	_, _ = io.WriteString(w, `{"schemaVersion":2}`)
}

// faults are what registries do, by where they do it. Those without an error are survived.
var faults = map[string]struct {
	meet func(*testing.T, faulty)
	want []string // in the error
}{
	"429 to HEAD of a blob":    {inject(http.MethodHead, blobs, 12, throttled), nil},
	"429 to POST":              {inject(http.MethodPost, uploads, 12, throttled), nil},
	"429 to PUT of a blob":     {inject(http.MethodPut, uploads, 12, throttled), nil},
	"429 to PUT of a manifest": {inject(http.MethodPut, byDigest, 12, throttled), nil},
	"429 to reading it back":   {inject(http.MethodGet, byDigest, 5, throttled), nil},
	"429 to HEAD of a tag":     {inject(http.MethodHead, byTag, 5, throttled), nil},
	"429 to PUT of a tag":      {inject(http.MethodPut, byTag, 5, throttled), nil},
	"429 with Retry-After":     {inject(http.MethodPut, byTag, 1, throttle1), nil},
	"429 for ever": {
		inject(http.MethodPut, byDigest, 0, throttled),
		[]string{
			"pushing to HOST/app: 429 rate limited: Rate exceeded (tried 13 times in ",
			"; wait some minutes and try again, with fewer images at once", "(tried 13 times in ",
		},
	},
	"429 for ever to a tag": {
		inject(http.MethodPut, byTag, 0, throttled),
		[]string{"tagging HOST/app:1: 429 rate limited: Rate exceeded", "(tried 13 times in "},
	},
	"429 of AWS": {func(_ *testing.T, f faulty) {
		f.Inject(registrytest.Rule{Operation: "DescribeRepositories", Times: 2, Fault: throttled})
	}, nil},
	"500 to PUT of a blob":       {inject(http.MethodPut, uploads, 3, failing), nil},
	"500 to PUT of a manifest":   {inject(http.MethodPut, byDigest, 3, failing), nil},
	"500 to PUT of a tag":        {inject(http.MethodPut, byTag, 5, failing), nil},
	"reset before a blob":        {inject(http.MethodPut, uploads, 2, registrytest.Reset(0)), nil},
	"reset in a blob":            {inject(http.MethodPut, uploads, 2, registrytest.Reset(20)), nil},
	"reset in a manifest":        {inject(http.MethodPut, byDigest, 2, registrytest.Reset(20)), nil},
	"reset in reading it back":   {inject(http.MethodGet, byDigest, 3, registrytest.ResetAnswer(20)), nil},
	"reset after a tag moved":    {inject(http.MethodPut, byTag, 1, registrytest.ResetAnswer(0)), nil},
	"slow":                       {inject(http.MethodPut, uploads, 1, slow), nil},
	"silence after a manifest":   {inject(http.MethodPut, byDigest, 1, registrytest.Stall), nil},
	"silence after a tag":        {inject(http.MethodPut, byTag, 1, registrytest.Stall), nil},
	"silence at reading it back": {inject(http.MethodGet, byDigest, 1, registrytest.Stall), nil},
	"a blob is lost once":        {inject(http.MethodPut, uploads, 1, registrytest.Lose), nil},
	"a manifest is lost": {
		inject(http.MethodPut, byDigest, 0, registrytest.Lose), []string{"verifying HOST/app@sha256:", "not found"},
	},
	"a tag is lost": {
		inject(http.MethodPut, byTag, 0, registrytest.Lose), []string{
			"tagging HOST/app:1: content mismatch: it holds ",
		},
	},
	"another digest is promised": {
		inject(http.MethodPut, byDigest, 0, registrytest.Digest(zeros)),
		[]string{"pushing to HOST/app: content mismatch: got digest " + zeros},
	},
	"another digest is read": {
		inject(http.MethodGet, byDigest, 0, registrytest.Digest(zeros)),
		[]string{"verifying HOST/app@sha256:", "content mismatch: the registry calls "},
	},
	"no digest is promised": {inject("", "/manifests/", 0, noHeader), nil},
	"other bytes are read": {
		inject(http.MethodGet, byDigest, 0, otherBytes), []string{"verifying HOST/app@sha256:", "content mismatch"},
	},
	"401 once":                   {inject(http.MethodPut, uploads, 1, unchallenged), nil},
	"401 to a manifest, once":    {inject(http.MethodPut, byDigest, 1, unchallenged), nil},
	"401 to a tag, once":         {inject(http.MethodPut, byTag, 1, unchallenged), nil},
	"403 expired, once":          {inject(http.MethodPut, uploads, 1, expired), nil},
	"403 expired to a tag, once": {inject(http.MethodPut, byTag, 1, expired), nil},
	"403 expired for ever": {
		inject(http.MethodPut, uploads, 0, expired),
		[]string{
			"pushing to HOST/app: 401 unauthorized: Your authorization token has expired",
			"HOST refused the credentials",
		},
	},
	"no upload": {
		deny("ecr:InitiateLayerUpload"),
		[]string{"pushing to HOST/app: 403 denied: ", "allow ecr:InitiateLayerUpload in the IAM policy"},
	},
	"no manifests": {
		deny("ecr:PutImage"), []string{"pushing to HOST/app: 403 denied: ", "allow ecr:PutImage in the IAM policy"},
	},
	"no reading back": {
		deny("ecr:BatchGetImage"), []string{"HOST/app", "403 denied: ", "allow ecr:BatchGetImage in the IAM policy"},
	},
	"no key": {
		inject(http.MethodPut, uploads, 0, kms), []string{"KmsException", "kms:GenerateDataKey"},
	},
	"a policy of the organization": {
		inject(http.MethodPut, byDigest, 0, forbidden), []string{"a policy of your AWS organization forbids it"},
	},
	"no token": {deny("ecr:GetAuthorizationToken"), []string{"allow ecr:GetAuthorizationToken in the IAM policy"}},
	"Harbor's quota": {
		inject(http.MethodPut, byDigest, 0, registrytest.Status(http.StatusForbidden, "DENIED", harborQuota, "")),
		[]string{
			"pushing to HOST/app: over a quota: adding 1.2 MiB of storage",
			"other credentials do not help: delete old images there",
		},
	},
	"413 of a proxy": {inject(http.MethodPut, uploads, 0, page(http.StatusRequestEntityTooLarge)),
		[]string{"pushing to HOST/app: 413 too large: request entity too large; ", "nginx: client_max_body_size 0"}},
	"415": {inject(http.MethodPut, byDigest, 0, page(http.StatusUnsupportedMediaType)),
		[]string{
			"pushing to HOST/app: manifest refused: unsupported media type; ",
			"exports: [{ image: { ociMediaTypes: false } }]",
		}},
	"no OCI": {
		inject(http.MethodPut, byDigest, 0,
			registrytest.Status(http.StatusBadRequest, "MANIFEST_INVALID", "manifest invalid", "")),
		[]string{
			"pushing to HOST/app: manifest refused: manifest invalid; ",
			"exports: [{ image: { ociMediaTypes: false } }]",
		},
	},
	"no OCI tag": {
		inject(http.MethodPut, byTag, 0,
			registrytest.Status(http.StatusBadRequest, "MANIFEST_INVALID", "manifest invalid", "")),
		[]string{
			"tagging HOST/app:1: manifest refused: manifest invalid; ",
			"exports: [{ image: { ociMediaTypes: false } }]",
		},
	},
	"the registry's disk is full": {
		inject(http.MethodPut, uploads, 0, registrytest.Status(http.StatusInternalServerError, "UNKNOWN",
			"write x: no space left on device", "")),
		[]string{
			"pushing to HOST/app: the registry has no space left: write x: no space left on device; ",
			"not that of the builder: free space there",
		},
	},
	"read-only": {
		inject(http.MethodPut, byDigest, 0, registrytest.Status(http.StatusMethodNotAllowed, "UNSUPPORTED",
			"The operation is unsupported.", "")),
		[]string{"pushing to HOST/app: unsupported by the registry; the registry takes no push"},
	},
	"ECR's limit": {
		inject(http.MethodPut, byTag, 0, registrytest.Status(http.StatusForbidden, "DENIED",
			"it has the maximum allowed number of tags", "")),
		[]string{"tagging HOST/app:1: over a limit: ", "have AWS raise the quota"},
	},
	"somebody else moves the tag": {func(t *testing.T, f faulty) {
		moved := registrytest.Image(t, "linux/amd64")
		f.Inject(registrytest.Rule{
			Method: http.MethodGet, Path: byTag, Times: 1,
			Fault: func(w http.ResponseWriter, req *http.Request, next http.Handler) {
				f.Push(t, "app:1", moved)
				next.ServeHTTP(w, req)
			},
		})
	}, []string{
		"tagging HOST/app:1: content mismatch: it holds sha256:", "somebody else moved it meanwhile; try again",
	}},
}

// What a registry does on the way is survived or told with its cure; on a failure the tag stays what it was, and nobody
// is shown a token or a key.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t)
			fault.meet(t, f)
			out, err := f.apply(t, "FROM scratch", f.Host()+"/app:1")
			f.judge(t, name, out, err, fault.want)
		})
	}
}

func (f faulty) judge(t *testing.T, name string, out property.Map, err error, want []string) {
	t.Helper()
	held := f.Tags("app")["1"]
	if len(want) == 0 && (err != nil || held != text(out, "digest")) {
		t.Errorf("the tag holds %s, the state has %s, before it was %s: %v", held, text(out, "digest"), f.old, err)
	}
	for _, text := range want {
		if err == nil || !strings.Contains(err.Error(), strings.ReplaceAll(text, "HOST", f.Host())) {
			t.Errorf("the error lacks %q: %v", text, err)
		}
	}
	if len(want) > 0 && held != f.old && name != "somebody else moves the tag" {
		t.Errorf("the tag moved to %s: %v", held, err)
	}
	said := f.logText() + fmt.Sprint(out)
	if err != nil {
		said += err.Error()
	}
	if leak := regexp.MustCompile(registrytest.TokenMark + "|" + secretKey + "|_state=").FindString(said); leak != "" {
		t.Errorf("%s is in: %s", leak, said)
	}
}

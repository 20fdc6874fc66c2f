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

// awsSecretKey is the secret access key in the environment of these tests.
const awsSecretKey = "aws-secret-canary"

// faultyRegistry is a registry with faults, and a provider with a real daemon. Tag 1 of its repository app holds an old
// image.
type faultyRegistry struct {
	*registrytest.ECR
	*wire
	old string
}

func newFaultyRegistry(t *testing.T, logins ...string) faultyRegistry {
	t.Helper()
	return newFaultyRegistryWithin(t, 2*time.Second, logins...)
}

// newFaultyRegistryWithin does the same as newFaultyRegistry. The provider cancels a push after this time without
// progress.
func newFaultyRegistryWithin(t *testing.T, stallTimeout time.Duration, logins ...string) faultyRegistry {
	t.Helper()
	f := faultyRegistry{ECR: registrytest.NewECR(t)}
	f.Repository("app", "")
	f.old = f.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
	settings := &settings{stallTimeout: stallTimeout, registry: registry.Options{
		Timeout: 2 * time.Second, RetryWaits: slices.Repeat([]time.Duration{10 * time.Millisecond}, 12),
	}}
	f.wire = dial(t, newProvider(settings), `{"host": "`+machines[0].Endpoint(t)+`",
		"ecr": {"endpoint": "`+f.Endpoint()+`", "region": "eu-west-1", "hosts": ["`+f.Host()+`"]},
		"registries": [`+strings.Join(logins, ",")+`]}`)
	return f
}

// apply creates the image of a Dockerfile at the tags, as pulumi up does. A line with the test's name makes it an image
// that no registry has.
func (f faultyRegistry) apply(t *testing.T, dockerfile string, tags ...string) (property.Map, error) {
	t.Helper()
	return f.applyIn(t, t.TempDir(), dockerfile, tags...)
}

// applyIn does the same as apply, with the folder dir as the build context.
func (f faultyRegistry) applyIn(t *testing.T, dir, dockerfile string, tags ...string) (property.Map, error) {
	t.Helper()
	return f.applyFor(t, []string{"linux/amd64"}, dir, dockerfile, tags...)
}

// applyFor does the same as applyIn, for these platforms.
func (f faultyRegistry) applyFor(
	t *testing.T, platforms []string, dir, dockerfile string, tags ...string,
) (property.Map, error) {
	t.Helper()
	inline := props(t, `{}`).Set("inline",
		property.New(dockerfile+"\nLABEL test=\""+t.Name()+"\"\nCOPY <<EOF /a\n"+t.Name()+"\nEOF\n"))
	inputs := props(t, `{}`).
		Set("platforms", list(platforms)).
		Set("tags", list(tags)).
		Set("dockerfile", property.New(inline)).
		Set("context", property.New(props(t, `{"location": "`+dir+`"}`)))
	checked, err := f.Check(t.Context(), &pulumirpc.CheckRequest{Urn: string(urn), News: marshalProperties(t, inputs)})
	if err != nil || len(checked.GetFailures()) > 0 {
		t.Fatal(err, checked.GetFailures())
	}
	created, err := f.Create(t.Context(), &pulumirpc.CreateRequest{Urn: string(urn), Properties: checked.GetInputs()})
	return unmarshalProperties(t, created.GetProperties()), err
}

func inject(method, path string, times int, fault registrytest.Fault) func(*testing.T, faultyRegistry) {
	return func(_ *testing.T, f faultyRegistry) {
		f.Inject(registrytest.Rule{Method: method, Path: path, Times: times, Fault: fault})
	}
}

func deny(action string) func(*testing.T, faultyRegistry) {
	return func(_ *testing.T, f faultyRegistry) { f.Deny(action) }
}

const (
	byDigest = "/v2/app/manifests/sha256:"
	byTag    = "/v2/app/manifests/1"
	uploads  = "/v2/app/blobs/uploads/"
	blobs    = "/v2/app/blobs/sha256:"
	zeros    = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
)

var (
	tooManyRequests           = registrytest.Status(http.StatusTooManyRequests, "TOOMANYREQUESTS", "Rate exceeded", "")
	tooManyRequestsRetryAfter = registrytest.Status(http.StatusTooManyRequests, "TOOMANYREQUESTS", "Rate exceeded", "1")
	internalError             = registrytest.Status(http.StatusInternalServerError, "UNKNOWN", "no", "")
	expiredToken              = registrytest.Status(http.StatusForbidden, "DENIED",
		"Your authorization token has expired. Reauthenticate and try again.", "")
	disabledKey        = registrytest.Status(http.StatusForbidden, "DENIED", "KmsException: key is disabled", "")
	organizationPolicy = registrytest.Status(http.StatusForbidden, "DENIED",
		"BlockedByOrganizationPolicyException: no", "")
)

func refuseWithoutChallenge(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	http.Error(w, "Not Authorized", http.StatusUnauthorized)
}

const harborQuota = "adding 1.2 MiB of storage resource, which when updated to current usage of 9.1 MiB will exceed " +
	"the configured upper limit of 10.0 MiB."

// proxyError returns a fault that answers with a status and an HTML page, as a proxy does.
func proxyError(status int) registrytest.Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		http.Error(w, "<html>"+http.StatusText(status)+"</html>", status)
	}
}

func delay(w http.ResponseWriter, req *http.Request, next http.Handler) {
	select {
	case <-time.After(time.Second):
	case <-req.Context().Done():
	}
	next.ServeHTTP(w, req)
}

func dropDigestHeader(w http.ResponseWriter, req *http.Request, next http.Handler) {
	next.ServeHTTP(w, req)
	w.Header().Del("Docker-Content-Digest")
}

func answerOtherBytes(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	_, _ = io.WriteString(w, `{"schemaVersion":2}`)
}

func (f faultyRegistry) checkResult(t *testing.T, name string, out property.Map, err error, want []string) {
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
	secrets := regexp.MustCompile(registrytest.TokenMark + "|" + awsSecretKey + "|_state=")
	if leak := secrets.FindString(said); leak != "" {
		t.Errorf("%s is in: %s", leak, said)
	}
}

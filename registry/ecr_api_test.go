package registry_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// TestDeleteTagAtECR holds that DeleteTag removes the tag that is ours and nothing else, through the API.
func TestDeleteTagAtECR(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.Repository("app", registrytest.Immutable)
	image := registrytest.Image(t, "linux/amd64")
	digest := e.Push(t, "app:1", image)
	e.Push(t, "app:2", image)
	other := e.Push(t, "app:3", registrytest.Image(t, "linux/amd64"))
	client := singleTryClient(amazonKeychain(t, e, "one"))
	for i, test := range []struct {
		tag, digest string
		want        bool
	}{{"1", digest, true}, {"1", digest, false}, {"3", digest, false}, {"4", digest, false}, {"2", digest, true}} {
		deleted, err := client.DeleteTag(t.Context(), parseTag(t, e.Host()+"/app:"+test.tag), test.digest)
		if err != nil || deleted != test.want {
			t.Errorf("call %d: %t, %v", i, deleted, err)
		}
	}
	if got := e.Tags("app"); len(got) != 1 || got["3"] != other {
		t.Errorf("left: %v", got)
	}
	if found, err := client.Exists(t.Context(), e.Host()+"/app", digest); found || err != nil {
		t.Errorf("the image without tags: %t, %v", found, err)
	}
	if countRequests(e.Registry, http.MethodDelete) > 0 {
		t.Error("the registry was asked to delete")
	}
	if deleted, err := client.DeleteTag(t.Context(), parseTag(t, e.Host()+"/absent:1"), digest); deleted || err != nil {
		t.Errorf("no repository: %t, %v", deleted, err)
	}
}

// deleteTagErrorCase is a case of TestDeleteTagAtECRErrors.
type deleteTagErrorCase struct {
	prepare func(e *registrytest.ECR)
	logins  []registry.Login
	profile string
	is      error
	want    string
}

// deleteTagErrorCases returns the cases of TestDeleteTagAtECRErrors, by name.
func deleteTagErrorCases() map[string]deleteTagErrorCase {
	const user = "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: ecr:BatchDeleteImage on " +
		"resource: " +
		"arn:aws:ecr:eu-west-1:123456789012:repository/app because no identity-based policy allows the " +
		"ecr:BatchDeleteImage action"
	return map[string]deleteTagErrorCase{
		"child of an index": {func(*registrytest.ECR) {}, nil, "one", fault.ErrInUse,
			"in use: Requested image referenced by manifest list: [INDEX]; " +
				"it is the last tag of an image that an index refers to"},
		"denied": {func(e *registrytest.ECR) { e.Deny("ecr:BatchDeleteImage") }, nil, "one", fault.ErrDenied, "AWS: " +
			user +
			""},
		"another failure": {func(e *registrytest.ECR) {
			e.Inject(registrytest.Rule{Operation: "BatchDeleteImage",
				Fault: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
					_, _ = w.Write([]byte(`{"failures":[{"imageId":{"imageTag":"1"},"failureCode":"KmsError",` +
						`"failureReason":"the key is gone"}]}`))
				}})
		}, nil, "one", nil, "AWS: KmsError: the key is gone"},
		"no AWS": {
			func(*registrytest.ECR) {}, []registry.Login{{Username: "AWS"}}, "sso", fault.ErrUnauthorized,
			`AWS: the SSO session of profile "sso" is not there or has expired`,
		},
	}
}

func TestDeleteTagAtECRErrors(t *testing.T) {
	t.Parallel()
	tests := deleteTagErrorCases()
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := registrytest.NewECR(t)
			e.Repository("app", "")
			index := registrytest.Index(t, "linux/amd64")
			indexDigest := e.Push(t, "app:index", index)
			listed, err := index.IndexManifest()
			if err != nil {
				t.Fatal(err)
			}
			child, _ := index.Image(listed.Manifests[0].Digest)
			digest := e.Push(t, "app:1", child)
			test.prepare(e)
			for i := range test.logins {
				test.logins[i].Address, test.logins[i].Password = e.Host(), e.Token()
			}
			client := singleTryClient(amazonKeychainWith(t, e, test.profile, `{}`, test.logins...))
			deleted, err := client.DeleteTag(t.Context(), parseTag(t, e.Host()+"/app:1"), digest)
			if test.is == nil {
				test.is = err
			}
			expectError(t, err, test.is, "deleting "+e.Host()+"/app:1: "+strings.ReplaceAll(test.want, "INDEX",
				indexDigest))
			if deleted || e.Tags("app")["1"] != digest {
				t.Error("it is gone")
			}
		})
	}
}

// TestECRAPIRetries holds that a call is repeated after throttling, faults of the service and broken connections.
func TestECRAPIRetries(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]registrytest.Fault{
		"throttled": apiFault("ThrottlingException", "Rate exceeded"),
		"500":       registrytest.Status(http.StatusInternalServerError, "UNKNOWN", "no", ""),
		"503":       registrytest.Status(http.StatusServiceUnavailable, "UNKNOWN", "no", ""),
		"reset":     registrytest.Reset(0),
		"stalled":   registrytest.Stall,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := registrytest.NewECR(t)
			e.Repository("app", "")
			digest := e.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
			e.Inject(registrytest.Rule{Operation: "BatchDeleteImage", Times: 2, Fault: fault})
			deleted, err := patientClient(amazonKeychain(t, e, "one")).DeleteTag(t.Context(),
				parseTag(t, e.Host()+"/app:1"), digest)
			if err != nil || !deleted {
				t.Errorf("%t, %v", deleted, err)
			}
		})
	}
	e := registrytest.NewECR(t)
	e.Repository("app", "")
	digest := e.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
	e.Inject(registrytest.Rule{Operation: "BatchDeleteImage", Fault: apiFault("ThrottlingException", "Rate exceeded")})
	_, err := patientClient(amazonKeychain(t, e, "one")).DeleteTag(t.Context(), parseTag(t, e.Host()+"/app:1"), digest)
	if !errors.Is(err, fault.ErrRateLimited) || !strings.Contains(err.Error(),
		"AWS: Rate exceeded (tried 9 times in ") {
		t.Error(err)
	}
}

package registry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// ecrErrorCase is a case of TestECRErrors.
type ecrErrorCase struct {
	profile string
	failure registrytest.Fault
	want    string
	is      fault.Kind
}

// ecrErrorCases are the cases of TestECRErrors.
var ecrErrorCases = []ecrErrorCase{
	{"sso", nil, `AWS: the SSO session of profile "sso" is not there or has expired`, fault.AWSSSO},
	{"login", nil, `AWS: the login session of profile "login" is not there or has expired`, fault.AWSSession},
	{"absent", nil, `AWS: there is no profile "absent" in ~/.aws`, fault.AWSProfile},
	{
		"nothing", nil, `AWS: no credentials in the environment, in profile "nothing" or from this machine`,
		fault.AWSNothing,
	},
	{
		"process", nil, "AWS: failed to refresh cached credentials, process provider error: error in " +
			"credential_process: exit status 1", fault.AWSProcess,
	},
	{
		"second-factor", nil,
		`AWS: profile "second-factor" asks for a second factor, and nobody can be asked for it here`,
		fault.AWSFactor,
	},
	{
		"one", apiFault("ExpiredTokenException", "The security token included in the request is expired"),
		"AWS: The security token included in the request is expired", fault.AWSExpired,
	},
	{"one", apiFault("InvalidSignatureException",
		"Signature expired: 20261120T101010Z is now earlier than 20261120T102010Z"),
		"AWS: Signature expired: 20261120T101010Z is now earlier than 20261120T102010Z; is 25 minutes behind " +
			"that of AWS", fault.AWSClock},
	{"one", apiFault("InvalidSignatureException",
		"Signature not yet current: 20261120T104510Z is still later than 20261120T104010Z "+
			"(20261120T102510Z + 15 min.)"),
		"AWS: Signature not yet current: 20261120T104510Z is still later than 20261120T104010Z (20261120T102510Z " +
			"+ 15 min.); is 20 minutes ahead of that of AWS", fault.AWSClock},
	{"one", apiFault("RequestTimeTooSkewed", "The difference between the request time and the current time is "+
		"too large."),
		"AWS: The difference between the request time and the current time is too large.; AWS finds wrong",
		fault.AWSClock},
	{
		"one", apiFault("UnrecognizedClientException", "The security token included in the request is invalid."),
		"AWS: The security token included in the request is invalid.", fault.AWSKey,
	},
	{"one", apiFault("AccessDeniedException", "User: "+
		"arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_dev/me is not authorized to perform: "+
		"ecr:GetAuthorizationToken on resource: * because no identity-based policy allows the "+
		"ecr:GetAuthorizationToken action"),
		"AWS: User: arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_dev/me is not authorized to perform: " +
			"ecr:GetAuthorizationToken on resource: * because no identity-based policy allows the " +
			"ecr:GetAuthorizationToken action", fault.ActionDenied},
	{
		"one", apiFault("OptInRequired", "The AWS Access Key Id needs a subscription for the service"),
		"AWS: OptInRequired: The AWS Access Key Id needs a subscription for the service", fault.Unexplained,
	},
	{"one", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		_, _ = w.Write([]byte(`{"authorizationData":[]}`))
	},
		"AWS: GetAuthorizationToken did not answer with base64 of user:password", fault.AWSTokenFormat},
}

// TestECRErrors holds what the error says when nobody has credentials. What is wrong with the clock is a fact beside
// the text.
func TestECRErrors(t *testing.T) {
	t.Parallel()
	tests := ecrErrorCases
	for _, test := range tests {
		t.Run(test.profile+" "+test.want[5:20], func(t *testing.T) {
			t.Parallel()
			e := registrytest.NewECR(t)
			if test.failure != nil {
				e.Inject(registrytest.Rule{Operation: "GetAuthorizationToken", Fault: test.failure})
			}
			_, err := amazonKeychain(t, e, test.profile).Lookup(t.Context(), e.Host())
			want, clock, _ := strings.Cut(test.want, "; ")
			expectError(t, err, fault.ErrUnauthorized, "credentials for "+e.Host()+": "+want, fault.NoStoredLogin,
				test.is)
			if clock != "" && clockOf(err) != clock {
				t.Errorf("the clock %s, want %s", clockOf(err), clock)
			}
			if strings.Contains(fmt.Sprint(err), canary) {
				t.Error("the error holds the secret key")
			}
		})
	}
}

// clockOf returns how far an error says that the clock is off.
func clockOf(err error) string {
	for _, failure := range errorsOf(err) {
		if failure.Kind == fault.AWSClock {
			return failure.Clock
		}
	}
	return ""
}

// apiFault returns a fault that answers with an error of Amazon ECR's API.
func apiFault(kind, message string) registrytest.Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type":%q,"message":%q}`, kind, message)
	}
}

// TestECRFallsBackToDocker holds that amazon-ecr-credential-helper and docker login are asked where AWS has no
// credentials.
func TestECRFallsBackToDocker(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	for _, profile := range []string{"sso", "nothing", "absent"} {
		keychain := amazonKeychainWith(t, e, profile, `{"auths":{"`+e.Host()+`":{"auth":"dXNlcjpwYXNz"}}}`)
		if got, err := keychain.Lookup(t.Context(), e.Host()); err != nil || got.Username != "user" {
			t.Errorf("%s: %s, %v", profile, got.Username, err)
		}
	}
	_, err := amazonKeychainWith(t, e, "sso", `{"credsStore":"broken"}`).Lookup(t.Context(), e.Host())
	expectError(t, err, fault.ErrUnauthorized, "credentials for "+e.Host()+": docker-credential-broken: exit status "+
		"3; and "+
		`AWS: the SSO session of profile "sso" is not there or has expired`)
}

// TestECRLookupEndsWithItsContext holds that a lookup ends with its context, however long AWS takes. Other callers that
// still wait get the token.
func TestECRLookupEndsWithItsContext(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	asked, let := make(chan struct{}), make(chan struct{})
	e.Inject(registrytest.Rule{Operation: "GetAuthorizationToken",
		Fault: func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			close(asked)
			<-let
			next.ServeHTTP(w, req)
		}})
	gone := errors.New("the user is gone")
	impatient, leave := context.WithCancelCause(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if _, err := amazonKeychain(t, e, "one").Lookup(impatient, e.Host()); !errors.Is(err, gone) {
			t.Error(err)
		}
	})
	<-asked
	group.Go(func() {
		if _, err := amazonKeychain(t, e, "one").Lookup(t.Context(), e.Host()); err != nil {
			t.Error(err)
		}
	})
	leave(gone)
	close(let)
	group.Wait()
}

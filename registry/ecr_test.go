package registry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// awsProfiles is ~/.aws/config.
const awsProfiles = `
[profile one]
aws_access_key_id=AKIAONE
aws_secret_access_key=` + canary + `
[profile two]
aws_access_key_id=AKIATWO
aws_secret_access_key=` + canary + `
[profile expired]
aws_access_key_id=AKIAEXPIRED
aws_secret_access_key=` + canary + `
[profile nothing]
output=json
[profile sso]
sso_session=acme
sso_account_id=123456789012
sso_role_name=dev
[sso-session acme]
sso_region=eu-west-1
sso_start_url=https://acme.awsapps.com/start
sso_registration_scopes=sso:account:access
[profile login]
login_session=arn:aws:iam::123456789012:user/ci
[profile process]
credential_process=false
[profile second-factor]
role_arn=arn:aws:iam::123456789012:role/admin
source_profile=one
mfa_serial=arn:aws:iam::123456789012:mfa/ci
`

// outside is all hosts but this machine: a proxy that lets nobody through and notes where they would have gone.
var outside = &nowhere{}

type nowhere struct {
	mu    sync.Mutex
	hosts []string
}

func (n *nowhere) start() string {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		n.mu.Lock()
		n.hosts = append(n.hosts, req.Host)
		n.mu.Unlock()
		w.WriteHeader(http.StatusForbidden)
	})).URL
}

func (n *nowhere) asked(host string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Contains(n.hosts, host+":443")
}

// amazon is a keychain for e, and for all hosts of Amazon ECR as if they were in e, with nothing in docker's config.json.
func amazon(t *testing.T, e *registrytest.ECR, profile string) *registry.Keychain {
	t.Helper()
	return amazonOr(t, e, profile, `{}`)
}

func amazonOr(t *testing.T, e *registrytest.ECR, profile, config string, logins ...registry.Login) *registry.Keychain {
	t.Helper()
	keychain := dockerConfig(t, config, logins...)
	keychain.ECR = registry.ECR{Profile: profile, Region: registrytest.Region, Endpoint: e.Endpoint(), Hosts: []string{e.Host()}}
	return keychain
}

// TestECRHosts: the region in the name is where the token is asked for.
func TestECRHosts(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com":                    "eu-west-1",
		"123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com":           "us-gov-west-1",
		"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn":                "cn-north-1",
		"123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu":                "eusc-de-east-1",
		"123456789012.dkr-ecr.us-west-2.on.aws":                           "us-west-2",
		"123456789012.dkr-ecr-fips.us-east-1.on.aws":                      "us-east-1",
		"123456789012.dkr-ecr.cn-northwest-1.on.amazonwebservices.com.cn": "cn-northwest-1",
		"123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov":                   "us-iso-east-1",
		"123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov":               "us-isob-east-1",
		"123456789012.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk":              "eu-isoe-west-1",
		"123456789012.dkr.ecr.us-isof-south-1.csp.hci.ic.gov":             "us-isof-south-1",
		"public.ecr.aws":     "us-east-1",
		"ecr-public.aws.com": "us-east-1",

		"12345678901.dkr.ecr.eu-west-1.amazonaws.com":                   "",
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com.example.com":      "",
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com:8443":             "",
		"example.com#.dkr.ecr.eu-west-1.amazonaws.com":                  "",
		"vpce-0a1b2c.dkr.ecr.eu-west-1.vpce.amazonaws.com":              "",
		"evil-123456789012.dkr.ecr.eu-west-1.amazonaws.com":             "",
		"public.ecr.aws.example.com":                                    "",
		"xpublic.ecr.aws":                                               "",
		"ghcr.io":                                                       "",
		"s3.amazonaws.com":                                              "",
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com@evil.example.com": "",
	}
	for host, region := range tests {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			e := registrytest.NewECR(t)
			credential, err := amazon(t, e, "one").Lookup(t.Context(), host)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			if region != "" {
				want = []string{"AKIAONE in " + region}
			}
			if got := e.Principals(); !slices.Equal(got, want) || credential.Anonymous() != (region == "") {
				t.Errorf("asked as %v, want %v; anonymous: %t", got, want, credential.Anonymous())
			}
		})
	}
}

// TestECREndpoints are Amazon's own, which a proxy is asked for.
func TestECREndpoints(t *testing.T) {
	t.Parallel()
	for host, endpoint := range map[string]string{
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com":      "api.ecr.eu-west-1.amazonaws.com",
		"123456789012.dkr.ecr-fips.us-west-2.amazonaws.com": "api.ecr-fips.us-west-2.amazonaws.com",
		"123456789012.dkr-ecr.us-west-2.on.aws":             "ecr.us-west-2.api.aws",
		"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn":  "api.ecr.cn-north-1.amazonaws.com.cn",
		"public.ecr.aws": "api.ecr-public.us-east-1.amazonaws.com",
	} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			keychain := dockerConfig(t, `{}`)
			keychain.ECR.Profile = "one"
			_, err := keychain.Lookup(t.Context(), host)
			if !outside.asked(endpoint) {
				t.Errorf("%s was not asked: %v", endpoint, err)
			}
			if private := host != "public.ecr.aws"; (err != nil) != private {
				t.Errorf("%v: everybody may pull from the public gallery, and nobody elsewhere", err)
			}
		})
	}
}

// TestECRAsksOnce: one token per principal and region, whoever asks and however many at once.
func TestECRAsksOnce(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			host := fmt.Sprintf("%012d.dkr.ecr.eu-west-1.amazonaws.com", i)
			if got, err := amazon(t, e, "one").Lookup(t.Context(), host); err != nil || got.Username != "AWS" {
				t.Error(got.Username, err)
			}
		})
	}
	group.Wait()
	for _, lookup := range []struct{ profile, region string }{{"one", "us-east-1"}, {"two", "eu-west-1"}} {
		if _, err := amazon(t, e, lookup.profile).Lookup(t.Context(), "123456789012.dkr.ecr."+lookup.region+".amazonaws.com"); err != nil {
			t.Error(err)
		}
	}
	want := []string{"AKIAONE in eu-west-1", "AKIAONE in us-east-1", "AKIATWO in eu-west-1"}
	if got := e.Principals(); !slices.Equal(got, want) {
		t.Errorf("tokens were asked for as %v, want %v", got, want)
	}
}

// TestECRIsAskedLate: neither making a keychain nor other hosts reach for AWS, nor does a host with a login of its own.
func TestECRIsAskedLate(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	keychain := amazonOr(t, e, "one", `{}`, registry.Login{Address: e.Host(), Username: "AWS", Password: "given"})
	for _, host := range []string{"ghcr.io", "docker.io", e.Host()} {
		if _, err := keychain.Lookup(t.Context(), host); err != nil {
			t.Error(err)
		}
	}
	if got := e.Principals(); len(got) > 0 {
		t.Errorf("asked as %v", got)
	}
}

// TestECRRenewsInTime: a token is given out in the first half of its life, and what is given out is good for the other half.
func TestECRRenewsInTime(t *testing.T) {
	t.Parallel()
	for life, want := range map[time.Duration]int{12 * time.Hour: 1, -time.Minute: 3} {
		t.Run(fmt.Sprint(life), func(t *testing.T) {
			t.Parallel()
			e := registrytest.NewECR(t)
			e.Advance(life - 12*time.Hour)
			for range 3 {
				if _, err := amazon(t, e, "one").Lookup(t.Context(), e.Host()); err != nil {
					t.Fatal(err)
				}
			}
			if got := e.Calls("GetAuthorizationToken"); got != want {
				t.Errorf("asked %d times, want %d", got, want)
			}
		})
	}
}

// TestECRInvalidate: who was refused gets another token, and only he: what others fetched meanwhile is kept.
func TestECRInvalidate(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	first, second := amazon(t, e, "one"), amazon(t, e, "one")
	lookup := func(k *registry.Keychain) string {
		got, err := k.Lookup(t.Context(), e.Host())
		if err != nil {
			t.Fatal(err)
		}
		return got.Password
	}
	old := lookup(first)
	if lookup(second) != old {
		t.Error("two keychains of one principal have two tokens")
	}
	first.Invalidate(e.Host())
	fresh := lookup(first)
	second.Invalidate(e.Host()) // of the token that is gone already
	if fresh == old || lookup(second) != fresh {
		t.Error("the refused token is still given out, or the fresh one is not")
	}
	if got := e.Calls("GetAuthorizationToken"); got != 2 {
		t.Errorf("asked %d times, want 2", got)
	}
}

func TestECRRole(t *testing.T) {
	e := registrytest.NewECR(t)
	t.Setenv("AWS_ENDPOINT_URL_STS", e.Endpoint())
	keychain := amazon(t, e, "one")
	keychain.ECR.RoleARN = "arn:aws:iam::123456789012:role/PUSH"
	if _, err := keychain.Lookup(t.Context(), e.Host()); err != nil {
		t.Fatal(err)
	}
	if got := e.Principals(); !slices.Equal(got, []string{"ASIAPUSH in eu-west-1"}) {
		t.Errorf("asked as %v", got)
	}
	e.Deny("sts:AssumeRole")
	keychain.ECR.RoleARN = "arn:aws:iam::123456789012:role/other"
	_, err := keychain.Lookup(t.Context(), e.Host())
	expect(t, err, registry.ErrDenied, "credentials for "+e.Host()+": AWS: User: arn:aws:iam::123456789012:user/ci is not authorized to perform: "+
		"sts:AssumeRole on resource: arn:aws:iam::123456789012:role/other; let the trust policy of arn:aws:iam::123456789012:role/other "+
		"name that user, and that user's policy sts:AssumeRole; or log in with docker login, whose config.json has none either")
}

// TestECRErrors: nobody has credentials, and the error names both places with the cure for each.
func TestECRErrors(t *testing.T) {
	t.Parallel()
	const docker = "; or log in with docker login, whose config.json has none either"
	tests := []struct {
		profile string
		fault   registrytest.Fault
		want    string
	}{
		{"sso", nil, `AWS: the SSO session of profile "sso" is not there or has expired; log in with aws sso login --profile sso`},
		{"login", nil, `AWS: the login session of profile "login" is not there or has expired; log in with aws login --profile login`},
		{"absent", nil, `AWS: there is no profile "absent" in ~/.aws; correct ecr.profile or AWS_PROFILE`},
		{"nothing", nil, `AWS: no credentials in the environment, in profile "nothing" or from this machine; ` +
			`run aws configure, or name a profile that has some with ecr.profile or AWS_PROFILE`},
		{"process", nil, "AWS: failed to refresh cached credentials, process provider error: error in credential_process: exit status 1; " +
			"see what it says with aws sts get-caller-identity --profile process"},
		{"second-factor", nil, `AWS: profile "second-factor" asks for a second factor, and nobody can be asked for it here; ` +
			`log in before, or name a role that needs none with ecr.roleArn`},
		{"one", apiFault("ExpiredTokenException", "The security token included in the request is expired"),
			`AWS: The security token included in the request is expired; get new credentials for profile "one", ` +
				`or unset AWS_SESSION_TOKEN and its companions if they are left over`},
		{"one", apiFault("InvalidSignatureException", "Signature expired: 20261120T101010Z is now earlier than 20261120T102010Z"),
			"AWS: Signature expired: 20261120T101010Z is now earlier than 20261120T102010Z; set this machine's clock, which AWS finds wrong"},
		{"one", apiFault("UnrecognizedClientException", "The security token included in the request is invalid."),
			`AWS: The security token included in the request is invalid.; correct the access key of profile "one"`},
		{"one", apiFault("AccessDeniedException", "User: arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_dev/me is not authorized to perform: "+
			"ecr:GetAuthorizationToken on resource: * because no identity-based policy allows the ecr:GetAuthorizationToken action"),
			"AWS: User: arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_dev/me is not authorized to perform: ecr:GetAuthorizationToken " +
				"on resource: * because no identity-based policy allows the ecr:GetAuthorizationToken action; allow that action in its IAM policy"},
		{"one", apiFault("OptInRequired", "The AWS Access Key Id needs a subscription for the service"),
			"AWS: OptInRequired: The AWS Access Key Id needs a subscription for the service"},
		{"one", func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			_, _ = w.Write([]byte(`{"authorizationData":[]}`))
		},
			"AWS: GetAuthorizationToken did not answer with base64 of user:password; check ecr.endpoint"},
	}
	for _, test := range tests {
		t.Run(test.profile+" "+test.want[5:20], func(t *testing.T) {
			t.Parallel()
			e := registrytest.NewECR(t)
			if test.fault != nil {
				e.Inject(registrytest.Rule{Operation: "GetAuthorizationToken", Fault: test.fault})
			}
			_, err := amazon(t, e, test.profile).Lookup(t.Context(), e.Host())
			expect(t, err, registry.ErrUnauthorized, "credentials for "+e.Host()+": "+test.want+docker)
			if strings.Contains(fmt.Sprint(err), canary) {
				t.Error("the error holds the secret key")
			}
		})
	}
}

// apiFault is an error of Amazon ECR's API.
func apiFault(kind, message string) registrytest.Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"__type":%q,"message":%q}`, kind, message)
	}
}

// TestECRFallsBackToDocker: people use amazon-ecr-credential-helper and docker login.
func TestECRFallsBackToDocker(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	for _, profile := range []string{"sso", "nothing", "absent"} {
		keychain := amazonOr(t, e, profile, `{"auths":{"`+e.Host()+`":{"auth":"dXNlcjpwYXNz"}}}`)
		if got, err := keychain.Lookup(t.Context(), e.Host()); err != nil || got.Username != "user" {
			t.Errorf("%s: %s, %v", profile, got.Username, err)
		}
	}
	_, err := amazonOr(t, e, "sso", `{"credsStore":"broken"}`).Lookup(t.Context(), e.Host())
	expect(t, err, registry.ErrUnauthorized, "credentials for "+e.Host()+": docker-credential-broken: exit status 3; see what it says with: echo "+
		e.Host()+` | docker-credential-broken get; and AWS: the SSO session of profile "sso" is not there or has expired; `+
		"log in with aws sso login --profile sso")
}

// TestECRLetsGo: a lookup ends with its context, however long AWS takes, and those who wait on still get the token.
func TestECRLetsGo(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	asked, let := make(chan struct{}), make(chan struct{})
	e.Inject(registrytest.Rule{Operation: "GetAuthorizationToken", Fault: func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		close(asked)
		<-let
		next.ServeHTTP(w, req)
	}})
	gone := errors.New("the user is gone")
	impatient, leave := context.WithCancelCause(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if _, err := amazon(t, e, "one").Lookup(impatient, e.Host()); !errors.Is(err, gone) {
			t.Error(err)
		}
	})
	<-asked
	group.Go(func() {
		if _, err := amazon(t, e, "one").Lookup(t.Context(), e.Host()); err != nil {
			t.Error(err)
		}
	})
	leave(gone)
	close(let)
	group.Wait()
}

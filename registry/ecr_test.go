package registry_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/ecr"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// amazonKeychain returns a keychain for e, and for all hosts of Amazon ECR as if they were in e. Docker's config.json
// is empty.
func amazonKeychain(t *testing.T, e *registrytest.ECR, profile string) *registry.Keychain {
	t.Helper()
	return amazonKeychainWith(t, e, profile, `{}`)
}

// amazonKeychainWith does the same with a content of docker's config.json and with logins.
func amazonKeychainWith(t *testing.T, e *registrytest.ECR, profile, config string,
	logins ...registry.Login) *registry.Keychain {
	t.Helper()
	keychain := dockerKeychain(t, config, logins...)
	keychain.ECR = ecr.Config{Profile: profile, Region: registrytest.Region, Endpoint: e.Endpoint(),
		Hosts: []string{e.Host()}}
	return keychain
}

// TestECRHosts holds that the token is asked for in the region that the name of the host gives.
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
			credential, err := amazonKeychain(t, e, "one").Lookup(t.Context(), host)
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

// TestECREndpoints holds that the endpoints are Amazon's own. A proxy records them.
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
			keychain := dockerKeychain(t, `{}`)
			keychain.ECR.Profile = "one"
			_, err := keychain.Lookup(t.Context(), host)
			if !outside.hasRequest(endpoint) {
				t.Errorf("%s was not asked: %v", endpoint, err)
			}
			if private := host != "public.ecr.aws"; (err != nil) != private {
				t.Errorf("%v: everybody may pull from the public gallery, and nobody elsewhere", err)
			}
		})
	}
}

// TestECRAsksOnce holds that one token serves a principal in a region, however many callers ask at once.
func TestECRAsksOnce(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			host := fmt.Sprintf("%012d.dkr.ecr.eu-west-1.amazonaws.com", i)
			if got, err := amazonKeychain(t, e, "one").Lookup(t.Context(), host); err != nil || got.Username != "AWS" {
				t.Error(got.Username, err)
			}
		})
	}
	group.Wait()
	for _, lookup := range []struct{ profile, region string }{{"one", "us-east-1"}, {"two", "eu-west-1"}} {
		_, err := amazonKeychain(t, e, lookup.profile).Lookup(t.Context(),
			"123456789012.dkr.ecr."+lookup.region+".amazonaws.com")
		if err != nil {
			t.Error(err)
		}
	}
	want := []string{"AKIAONE in eu-west-1", "AKIAONE in us-east-1", "AKIATWO in eu-west-1"}
	if got := e.Principals(); !slices.Equal(got, want) {
		t.Errorf("tokens were asked for as %v, want %v", got, want)
	}
}

// TestECRIsAskedOnlyWhenNeeded holds that neither a new keychain nor another host reaches for AWS, nor a host with a
// login of its own.
func TestECRIsAskedOnlyWhenNeeded(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	keychain := amazonKeychainWith(t, e, "one", `{}`, registry.Login{Address: e.Host(), Username: "AWS",
		Password: "given"})
	for _, host := range []string{"ghcr.io", "docker.io", e.Host()} {
		if _, err := keychain.Lookup(t.Context(), host); err != nil {
			t.Error(err)
		}
	}
	if got := e.Principals(); len(got) > 0 {
		t.Errorf("asked as %v", got)
	}
}

// TestECRRenewsInTime holds that a token is given out in the first half of its life, and so is good for the other half.
func TestECRRenewsInTime(t *testing.T) {
	t.Parallel()
	for life, want := range map[time.Duration]int{12 * time.Hour: 1, -time.Minute: 3} {
		t.Run(fmt.Sprint(life), func(t *testing.T) {
			t.Parallel()
			e := registrytest.NewECR(t)
			e.Advance(life - 12*time.Hour)
			for range 3 {
				if _, err := amazonKeychain(t, e, "one").Lookup(t.Context(), e.Host()); err != nil {
					t.Fatal(err)
				}
			}
			if got := e.Calls("GetAuthorizationToken"); got != want {
				t.Errorf("asked %d times, want %d", got, want)
			}
		})
	}
}

// TestECRInvalidate holds that Invalidate replaces the refused token, and keeps one that other callers fetched
// meanwhile.
func TestECRInvalidate(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	first, second := amazonKeychain(t, e, "one"), amazonKeychain(t, e, "one")
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
	keychain := amazonKeychain(t, e, "one")
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
	expectError(t, err, fault.ErrDenied, "credentials for "+e.Host()+": AWS: User: arn:aws:iam::123456789012:user/ci "+
		"is "+
		"not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/other")
}

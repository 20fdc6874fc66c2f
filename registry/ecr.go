package registry

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/awslabs/amazon-ecr-credential-helper/ecr-login/api"
)

// ECR says who we are at Amazon ECR. The zero ECR is whoever the AWS SDK finds: the environment, ~/.aws with its profiles and SSO
// sessions, the role of the container or the machine. Nothing of it is read before a host of Amazon ECR asks.
type ECR struct {
	// Profile is one of ~/.aws/config. Empty means AWS_PROFILE, and without it "default".
	Profile string
	// RoleARN is a role that is assumed with the credentials of the profile, such as "arn:aws:iam::123456789012:role/push".
	RoleARN string
	// Region is where Hosts are, such as "eu-west-1". Elsewhere it is part of the host.
	Region string
	// Endpoint is the URL of Amazon ECR's API. Empty means the one of the region, or AWS_ENDPOINT_URL_ECR.
	Endpoint string
	// Hosts are Amazon ECR as well, although their names do not say so: endpoints in a VPC, proxies, tests.
	Hosts []string
	// RetryWaits are the pauses before each further try to get a token, where AWS throttles or is broken. The default is growing ones of 39
	// seconds in all.
	RetryWaits []time.Duration
}

// ecrHost is what the name of a host of Amazon ECR says.
type ecrHost struct {
	// account is empty where the name holds none: the caller's is meant.
	account, region string
	// public is the one gallery, public.ecr.aws, from which everybody may pull.
	public, fips, dualStack bool
}

// publicRegion is the only one in which Amazon ECR Public has an API.
const publicRegion = "us-east-1"

// dualStackDomains are those of hosts that also have IPv6 addresses.
var dualStackDomains = []string{".on.aws", ".on.amazonwebservices.com.cn"}

// host reads the name of a canonical host as amazon-ecr-credential-helper does.
func (e ECR) host(host string) (ecrHost, bool) {
	if slices.ContainsFunc(e.Hosts, func(given string) bool { return canonicalHost(given) == host }) {
		return ecrHost{region: e.Region}, true
	}
	if strings.Contains(host, ":") { // that helper would not look at the port
		return ecrHost{}, false
	}
	found, err := api.ExtractRegistry(host)
	if err != nil {
		return ecrHost{}, false
	}
	if found.Service == api.ServiceECRPublic {
		return ecrHost{region: publicRegion, public: true}, true
	}
	dualStack := slices.ContainsFunc(dualStackDomains, func(domain string) bool { return strings.HasSuffix(host, domain) })
	return ecrHost{account: found.ID, region: found.Region, fips: found.FIPS, dualStack: dualStack}, true
}

// awsPrincipal is whose token it is, and where it is good: for all accounts that let the principal in, in one region.
type awsPrincipal struct {
	profile, role, endpoint, region string
	public, fips, dualStack         bool
}

func (e ECR) principal(h ecrHost) awsPrincipal {
	return awsPrincipal{
		profile: e.Profile, role: e.RoleARN, endpoint: e.Endpoint, region: h.region, public: h.public, fips: h.fips,
		dualStack: h.dualStack,
	}
}

// noECRLogin returns the error of a private host of Amazon ECR for which nobody has credentials. docker is nil where its
// config.json merely has none.
func noECRLogin(host string, aws, docker error) error {
	if docker != nil {
		return newError(Unexplained, fmt.Sprintf("%s; and %s", docker, aws), ErrUnauthorized, docker, aws)
	}
	e := newError(NoStoredLogin, fmt.Sprintf("credentials for %s: %s", host, aws), ErrUnauthorized, aws)
	e.Host = host
	return e
}

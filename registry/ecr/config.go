package ecr

import (
	"slices"
	"strings"
	"time"

	"github.com/awslabs/amazon-ecr-credential-helper/ecr-login/api"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// Config says who we are at Amazon ECR. The zero Config is whoever the AWS SDK finds: the environment, ~/.aws with its
// profiles and SSO sessions, the role of the container or the machine. Nothing of it is read before a host of Amazon
// ECR asks.
type Config struct {
	// Profile is one of ~/.aws/config. Empty means AWS_PROFILE, and without it "default".
	Profile string
	// RoleARN is a role to assume with the credentials of the profile, such as "arn:aws:iam::123456789012:role/push".
	RoleARN string
	// Region is where Hosts are, such as "eu-west-1". Elsewhere it is part of the host.
	Region string
	// Endpoint is the URL of Amazon ECR's API. Empty means the one of the region, or AWS_ENDPOINT_URL_ECR.
	Endpoint string
	// Hosts are Amazon ECR as well, although their names do not say so: endpoints in a VPC, proxies, tests.
	Hosts []string
	// RetryWaits are the pauses before each further try to get a token, where AWS throttles or is broken. The default
	// is growing ones of 39 seconds in all.
	RetryWaits []time.Duration
}

// publicRegion is the only one in which Amazon ECR Public has an API.
const publicRegion = "us-east-1"

// dualStackDomains are those of hosts that also have IPv6 addresses.
var dualStackDomains = []string{".on.aws", ".on.amazonwebservices.com.cn"}

// Registry returns the registry at a canonical host, whose name it reads as amazon-ecr-credential-helper does. ok is
// false when the host is not one of Amazon ECR.
func (c Config) Registry(host string) (r Registry, ok bool) {
	p := principal{profile: c.Profile, role: c.RoleARN, endpoint: c.Endpoint}
	r = Registry{host: host, retryWaits: c.RetryWaits}
	if slices.ContainsFunc(c.Hosts, func(given string) bool { return fault.CanonicalHost(given) == host }) {
		p.region = c.Region
		r.principal = p
		return r, true
	}
	if strings.Contains(host, ":") { // that helper would not look at the port
		return Registry{}, false
	}
	parsed, err := api.ExtractRegistry(host)
	if err != nil {
		return Registry{}, false
	}
	if parsed.Service == api.ServiceECRPublic {
		p.region, p.public = publicRegion, true
	} else {
		p.region, p.fips, p.dualStack = parsed.Region, parsed.FIPS, isDualStack(host)
		r.account = parsed.ID
	}
	r.principal = p
	return r, true
}

func isDualStack(host string) bool {
	return slices.ContainsFunc(dualStackDomains, func(domain string) bool { return strings.HasSuffix(host, domain) })
}

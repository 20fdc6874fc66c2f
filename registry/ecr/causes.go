package ecr

import (
	"slices"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// cause is a way in which AWS fails: one of the codes of its API, or one of the phrases of the SDK, whose own errors
// have no types. An operation narrows it.
type cause struct {
	kind      fault.Kind
	sentinel  error // nil if there is none
	operation string
	codes     []string
	phrases   []string
	text      string // in place of AWS's words; explain replaces $profile in it
}

// matches reports whether an error of AWS has this cause.
func (c cause) matches(operation, code, text string) bool {
	if c.operation != "" && c.operation != operation {
		return false
	}
	return slices.Contains(c.codes, code) ||
		slices.ContainsFunc(c.phrases, func(phrase string) bool { return strings.Contains(text, phrase) })
}

// noMetadata is in the error of the AWS SDK when no service of the machine has credentials, most often because the
// machine is not one of Amazon's.
const noMetadata = "no EC2 IMDS role found"

// causes are tried in this order.
var causes = []cause{
	{
		sentinel: fault.ErrUnauthorized, phrases: []string{"get shared config profile"},
		text: `there is no profile "$profile" in ~/.aws`, kind: fault.AWSProfile,
	},
	{
		sentinel: fault.ErrUnauthorized, phrases: []string{"SSO session", "SSO token", "operation error SSO"},
		text: `the SSO session of profile "$profile" is not there or has expired`, kind: fault.AWSSSO,
	},
	{
		sentinel: fault.ErrUnauthorized, phrases: []string{"please reauthenticate"},
		text: `the login session of profile "$profile" is not there or has expired`, kind: fault.AWSSession,
	},
	{
		sentinel: fault.ErrUnauthorized, phrases: []string{noMetadata},
		text: `no credentials in the environment, in profile "$profile" or from this machine`, kind: fault.AWSNothing,
	},
	{sentinel: fault.ErrUnauthorized, phrases: []string{"credential_process"}, kind: fault.AWSProcess},
	{
		sentinel: fault.ErrUnauthorized, phrases: []string{"AssumeRoleTokenProvider"},
		text: `profile "$profile" asks for a second factor, and nobody can be asked for it here`, kind: fault.AWSFactor,
	},
	{
		sentinel: fault.ErrUnauthorized, codes: []string{"ExpiredToken", "ExpiredTokenException", "RequestExpired"},
		kind: fault.AWSExpired,
	},
	{
		phrases: []string{"Signature expired", "Signature not yet current"}, codes: []string{"RequestTimeTooSkewed"},
		kind: fault.AWSClock,
	},
	{
		sentinel: fault.ErrUnauthorized, kind: fault.AWSKey, codes: []string{
			"UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "InvalidSignatureException",
			"SignatureDoesNotMatch",
		},
	},
	{sentinel: fault.ErrDenied, operation: "AssumeRole", codes: []string{"AccessDenied"}, kind: fault.AWSTrust},
	{sentinel: fault.ErrDenied, codes: []string{"AccessDeniedException", "AccessDenied"}, kind: fault.ActionDenied},
	{
		sentinel: fault.ErrRateLimited, kind: fault.RateLimited,
		codes: []string{"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"},
	},
	{sentinel: fault.ErrLimit, codes: []string{"LimitExceededException"}, kind: fault.LimitReached},
	{sentinel: fault.ErrNotFound, codes: []string{"ImageNotFoundException"}, kind: fault.ImageGone},
	{sentinel: fault.ErrNoRepository, codes: []string{"RepositoryNotFoundException"}, kind: fault.RepositoryMissing},
}

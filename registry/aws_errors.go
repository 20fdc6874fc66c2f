package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/smithy-go"
)

// awsCause is a way in which AWS fails: one of the codes of its API, or one of the phrases of the SDK, whose own errors have no types. An
// operation narrows it. In said and cure, $profile, $role and $action, which IAM does
// not allow, are replaced.
type awsCause struct {
	is        error
	operation string
	codes     []string
	phrases   []string
	said      string // in place of AWS's words
	cure      string
}

// awsCauses are asked in this order.
var awsCauses = []awsCause{
	{
		is: ErrUnauthorized, phrases: []string{"get shared config profile"},
		said: `there is no profile "$profile" in ~/.aws`, cure: "correct ecr.profile or AWS_PROFILE",
	},
	{
		is: ErrUnauthorized, phrases: []string{"SSO session", "SSO token", "operation error SSO"},
		said: `the SSO session of profile "$profile" is not there or has expired`, cure: "log in with aws sso login --profile $profile",
	},
	{
		is: ErrUnauthorized, phrases: []string{"please reauthenticate"},
		said: `the login session of profile "$profile" is not there or has expired`, cure: "log in with aws login --profile $profile",
	},
	{
		is: ErrUnauthorized, phrases: []string{"no EC2 IMDS role found"},
		said: `no credentials in the environment, in profile "$profile" or from this machine`,
		cure: "run aws configure, or name a profile that has some with ecr.profile or AWS_PROFILE",
	},
	{
		is: ErrUnauthorized, phrases: []string{"credential_process"},
		cure: "see what it says with aws sts get-caller-identity --profile $profile",
	},
	{
		is: ErrUnauthorized, phrases: []string{"AssumeRoleTokenProvider"},
		said: `profile "$profile" asks for a second factor, and nobody can be asked for it here`,
		cure: "log in before, or name a role that needs none with ecr.roleArn",
	},
	{
		is: ErrUnauthorized, codes: []string{"ExpiredToken", "ExpiredTokenException", "RequestExpired"},
		cure: `get new credentials for profile "$profile", or unset AWS_SESSION_TOKEN and its companions if they are left over`,
	},
	{
		phrases: []string{"Signature expired", "Signature not yet current"}, codes: []string{"RequestTimeTooSkewed"},
		cure: "set this machine's clock, which $clock",
	},
	{
		is: ErrUnauthorized, codes: []string{
			"UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "InvalidSignatureException", "SignatureDoesNotMatch",
		},
		cure: `correct the access key of profile "$profile"`,
	},
	{
		is: ErrDenied, operation: "AssumeRole", codes: []string{"AccessDenied"},
		cure: "let the trust policy of $role name that user, and that user's policy sts:AssumeRole",
	},
	{is: ErrDenied, codes: []string{"AccessDeniedException", "AccessDenied"}, cure: "allow $action in the IAM policy of that user"},
	{
		is: ErrRateLimited, codes: []string{"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"},
		cure: "wait some minutes and try again, with fewer images at once",
	},
	{is: ErrNoRepository, codes: []string{"RepositoryNotFoundException"}, cure: "create it with aws.ecr.Repository, or correct the account and the region in its name"},
}

// awsError is what became of a request to AWS, with its cure. It is one of our sentinels without saying so: its words are AWS's.
type awsError struct {
	is   error
	text string
}

func (e *awsError) Error() string        { return "AWS: " + e.text }
func (e *awsError) Is(target error) bool { return e.is != nil && errors.Is(e.is, target) }

// explain turns an error of the AWS SDK into one that a person can act on.
func (p awsPrincipal) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	words := err.Error()
	code := ""
	if answered, is := errors.AsType[smithy.APIError](err); is {
		code, words = answered.ErrorCode(), answered.ErrorMessage()
	}
	operation := ""
	if asked, is := errors.AsType[*smithy.OperationError](err); is {
		operation = asked.OperationName
	}
	for _, cause := range awsCauses {
		if cause.matches(operation, code, err.Error()) {
			return &awsError{cause.is, p.filled(cause, words)}
		}
	}
	return p.unexplained(code, words, err)
}

func (c awsCause) matches(operation, code, text string) bool {
	if c.operation != "" && c.operation != operation {
		return false
	}
	return slices.Contains(c.codes, code) ||
		slices.ContainsFunc(c.phrases, func(phrase string) bool { return strings.Contains(text, phrase) })
}

func (p awsPrincipal) filled(c awsCause, words string) string {
	if c.said != "" {
		words = c.said
	}
	said := oneLine(words)
	replaced := strings.NewReplacer("$profile", p.profileName(), "$role", p.role, "$action", deniedAction(said), "$clock", clockOf(said))
	return replaced.Replace(said + "; " + c.cure)
}

// unexplained keeps the words of AWS, or of the network on the way there.
func (p awsPrincipal) unexplained(code, words string, err error) error {
	if sent, is := errors.AsType[*url.Error](err); is {
		host := sent.URL
		if address, wrong := url.Parse(sent.URL); wrong == nil {
			host = address.Host
		}
		return &awsError{ErrUnreachable, fmt.Sprintf("unreachable: %s; check that %s is right%s", sent.Err, host, p.regionHint(err))}
	}
	if code != "" {
		words = code + ": " + words
	}
	return &awsError{nil, oneLine(words)}
}

// regionHint: a region that is not one has no address.
func (p awsPrincipal) regionHint(err error) string {
	if _, unknown := errors.AsType[*net.DNSError](err); unknown {
		return fmt.Sprintf(", that %q is a region, and the network", p.region)
	}
	return " and the network"
}

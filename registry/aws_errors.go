package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/shell"
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

// noMetadata: no service of the machine's knows credentials, most often because it is none of Amazon's.
const noMetadata = "no EC2 IMDS role found"

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
		is: ErrUnauthorized, phrases: []string{noMetadata},
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
	{is: ErrLimit, codes: []string{"LimitExceededException"}},
	{is: ErrNotFound, codes: []string{"ImageNotFoundException"}, cure: "push it again"},
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
	if answered, is := errors.AsType[smithy.APIError](err); is && answered.ErrorCode() != unnamedCode {
		code, words = answered.ErrorCode(), answered.ErrorMessage()
	}
	operation := ""
	if asked, is := errors.AsType[*smithy.OperationError](err); is {
		operation = asked.OperationName
	}
	text := err.Error()
	if status := statusOf(err); status >= http.StatusInternalServerError {
		text = "" // whoever was asked for credentials, it is not for want of them
	}
	for _, cause := range awsCauses {
		if cause.matches(operation, code, text) {
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
	profile := p.profileName()
	replaced := strings.NewReplacer("--profile $profile", "--profile "+shell.Quote(profile), "$profile", profile, "$role", p.role, "$action", deniedAction(said), "$clock", clockOf(said))
	if c.cure == "" {
		return said
	}
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
	_, garbled := errors.AsType[*smithy.DeserializationError](err)
	switch status := statusOf(err); {
	case code != "":
		words = code + ": " + words
	case status != 0 && (garbled || strings.Contains(words, unnamedCode)):
		words = unreadable(status)
	}
	return &awsError{nil, oneLine(words)}
}

// unnamedCode is what the SDK makes of an error without a code.
const unnamedCode = "UnknownError"

// statusOf is the status of the answer that an error is about, or 0.
func statusOf(err error) int {
	if answered, is := errors.AsType[*smithyhttp.ResponseError](err); is {
		return answered.HTTPStatusCode()
	}
	return 0
}

// unreadable is about an answer that is not as AWS writes them: from a balancer or a proxy before it.
func unreadable(status int) string {
	text := fmt.Sprintf("%d %s", status, strings.ToLower(http.StatusText(status)))
	if status >= http.StatusInternalServerError {
		return text + "; the fault is in AWS or a proxy before it; try again later"
	}
	return text + ", which is no answer of AWS's; check ecr.endpoint and the proxy"
}

// passesAtAWS says whether a failure is likely to pass: an answer that says so, or a broken connection, but to what only Amazon's machines have.
func passesAtAWS(err error) bool {
	if passingAnswers.IsErrorRetryable(err) == aws.TrueTernary {
		return true
	}
	return passing(err) && !strings.Contains(err.Error(), noMetadata)
}

var passingAnswers = retry.IsErrorRetryables{
	retry.RetryableHTTPStatusCode{Codes: retry.DefaultRetryableHTTPStatusCodes},
	retry.RetryableErrorCode{Codes: retry.DefaultRetryableErrorCodes},
	retry.RetryableErrorCode{Codes: retry.DefaultThrottleErrorCodes},
}

// silent is the cause of a context whose time is over.
func silent(limit time.Duration) error {
	return fmt.Errorf("%w: AWS did not answer within %s; check the network and try again", ErrUnreachable, limit)
}

// regionHint: a region that is not one has no address.
func (p awsPrincipal) regionHint(err error) string {
	if _, unknown := errors.AsType[*net.DNSError](err); unknown {
		return fmt.Sprintf(", that %q is a region, and the network", p.region)
	}
	return " and the network"
}

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
)

// awsCause is a way in which AWS fails: one of the codes of its API, or one of the phrases of the SDK, whose own errors
// have no types. An operation narrows it. In said, $profile is replaced.
type awsCause struct {
	is        error
	operation string
	codes     []string
	phrases   []string
	said      string // in place of AWS's words
	fault     Fault
}

// noMetadata: no service of the machine's knows credentials, most often because it is none of Amazon's.
const noMetadata = "no EC2 IMDS role found"

// awsCauses are asked in this order.
var awsCauses = []awsCause{
	{
		is: ErrUnauthorized, phrases: []string{"get shared config profile"},
		said: `there is no profile "$profile" in ~/.aws`, fault: AWSProfile,
	},
	{
		is: ErrUnauthorized, phrases: []string{"SSO session", "SSO token", "operation error SSO"},
		said: `the SSO session of profile "$profile" is not there or has expired`, fault: AWSSSO,
	},
	{
		is: ErrUnauthorized, phrases: []string{"please reauthenticate"},
		said: `the login session of profile "$profile" is not there or has expired`, fault: AWSSession,
	},
	{
		is: ErrUnauthorized, phrases: []string{noMetadata},
		said: `no credentials in the environment, in profile "$profile" or from this machine`, fault: AWSNothing,
	},
	{is: ErrUnauthorized, phrases: []string{"credential_process"}, fault: AWSProcess},
	{
		is: ErrUnauthorized, phrases: []string{"AssumeRoleTokenProvider"},
		said: `profile "$profile" asks for a second factor, and nobody can be asked for it here`, fault: AWSFactor,
	},
	{
		is: ErrUnauthorized, codes: []string{"ExpiredToken", "ExpiredTokenException", "RequestExpired"},
		fault: AWSExpired,
	},
	{
		phrases: []string{"Signature expired", "Signature not yet current"}, codes: []string{"RequestTimeTooSkewed"},
		fault: AWSClock,
	},
	{
		is: ErrUnauthorized, fault: AWSKey, codes: []string{
			"UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "InvalidSignatureException",
			"SignatureDoesNotMatch",
		},
	},
	{is: ErrDenied, operation: "AssumeRole", codes: []string{"AccessDenied"}, fault: AWSTrust},
	{is: ErrDenied, codes: []string{"AccessDeniedException", "AccessDenied"}, fault: ActionDenied},
	{
		is: ErrRateLimited, fault: RateLimited,
		codes: []string{"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"},
	},
	{is: ErrLimit, codes: []string{"LimitExceededException"}, fault: LimitReached},
	{is: ErrNotFound, codes: []string{"ImageNotFoundException"}, fault: ImageGone},
	{is: ErrNoRepository, codes: []string{"RepositoryNotFoundException"}, fault: RepositoryMissing},
}

// newError returns an error of AWS with what is known of the principal. It is the sentinel without saying so: its words
// are AWS's.
func (p awsPrincipal) newError(fault Fault, text string, sentinel error) *Error {
	e := newError(fault, "AWS: "+text)
	if sentinel != nil {
		e.causes = []error{sentinel}
	}
	e.Amazon, e.Profile, e.Role, e.Region = true, p.profileName(), p.role, p.region
	return e
}

// explain turns an error of the AWS SDK into one that a person can act on.
func (p awsPrincipal) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if own, ok := errors.AsType[*Error](err); ok {
		return own
	}
	words := err.Error()
	code := ""
	if answered, ok := errors.AsType[smithy.APIError](err); ok && answered.ErrorCode() != unnamedCode {
		code, words = answered.ErrorCode(), answered.ErrorMessage()
	}
	operation := ""
	if asked, ok := errors.AsType[*smithy.OperationError](err); ok {
		operation = asked.OperationName
	}
	text := err.Error()
	if status := statusOf(err); status >= http.StatusInternalServerError {
		text = "" // whoever was asked for credentials, it is not for want of them
	}
	for _, cause := range awsCauses {
		if cause.matches(operation, code, text) {
			return p.newErrorOf(cause, words)
		}
	}
	return p.explainUnknown(code, words, err)
}

func (c awsCause) matches(operation, code, text string) bool {
	if c.operation != "" && c.operation != operation {
		return false
	}
	return slices.Contains(c.codes, code) ||
		slices.ContainsFunc(c.phrases, func(phrase string) bool { return strings.Contains(text, phrase) })
}

// newErrorOf returns the error of a cause, with AWS's words or those that stand for them.
func (p awsPrincipal) newErrorOf(c awsCause, words string) *Error {
	if c.said != "" {
		words = strings.ReplaceAll(c.said, "$profile", p.profileName())
	}
	said := oneLine(words)
	e := p.newError(c.fault, said, c.is)
	e.Action, e.Clock = deniedAction(said), clockOf(said)
	return e
}

// explainUnknown returns an error in the words of AWS, or of the network on the way there.
func (p awsPrincipal) explainUnknown(code, words string, err error) error {
	if sent, ok := errors.AsType[*url.Error](err); ok {
		host := sent.URL
		if address, wrong := url.Parse(sent.URL); wrong == nil {
			host = address.Host
		}
		e := p.newError(AWSUnreachable, fmt.Sprintf("unreachable: %s", sent.Err), ErrUnreachable)
		if errors.As(err, new(*net.DNSError)) { // a region that is not one has no address
			e.Fault = AWSRegion
		}
		e.Host = host
		return e
	}
	_, garbled := errors.AsType[*smithy.DeserializationError](err)
	switch status := statusOf(err); {
	case code != "":
		words = code + ": " + words
	case status != 0 && (garbled || strings.Contains(words, unnamedCode)):
		return newUnreadable(status)
	}
	return p.newError(Unexplained, oneLine(words), nil)
}

// unnamedCode is what the SDK makes of an error without a code.
const unnamedCode = "UnknownError"

// statusOf is the status of the answer that an error is about, or 0.
func statusOf(err error) int {
	if answered, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return answered.HTTPStatusCode()
	}
	return 0
}

// newUnreadable returns the error of an answer that is not as AWS writes them: from a balancer or a proxy before it.
func newUnreadable(status int) *Error {
	text := fmt.Sprintf("AWS: %d %s", status, strings.ToLower(http.StatusText(status)))
	if status >= http.StatusInternalServerError {
		return newError(AWSBroken, text)
	}
	return newError(AWSOther, text+", which is no answer of AWS's")
}

// isTransientAtAWS reports whether a failure is likely to pass: an answer that says so, or a broken connection, unless it
// is to what only Amazon's machines have.
func isTransientAtAWS(err error) bool {
	if passingAnswers.IsErrorRetryable(err) == aws.TrueTernary {
		return true
	}
	return isTransient(err) && !strings.Contains(err.Error(), noMetadata)
}

var passingAnswers = retry.IsErrorRetryables{
	retry.RetryableHTTPStatusCode{Codes: retry.DefaultRetryableHTTPStatusCodes},
	retry.RetryableErrorCode{Codes: retry.DefaultRetryableErrorCodes},
	retry.RetryableErrorCode{Codes: retry.DefaultThrottleErrorCodes},
}

// newSilent returns the cause of a context whose time is over.
func newSilent(limit time.Duration) error {
	return newError(Silent, fmt.Sprintf("%v: AWS did not answer within %s", ErrUnreachable, limit), ErrUnreachable)
}

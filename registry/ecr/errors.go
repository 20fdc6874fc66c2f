package ecr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// explain turns an error of the AWS SDK into one with the facts that a remedy needs. It returns the cause of ctx when
// that has ended.
func (p principal) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if own, ok := errors.AsType[*fault.Error](err); ok {
		return own
	}
	words := err.Error()
	code := ""
	if answer, ok := errors.AsType[smithy.APIError](err); ok && answer.ErrorCode() != unnamedCode {
		code, words = answer.ErrorCode(), answer.ErrorMessage()
	}
	operation := ""
	if call, ok := errors.AsType[*smithy.OperationError](err); ok {
		operation = call.OperationName
	}
	text := err.Error()
	if status := statusOf(err); status >= http.StatusInternalServerError {
		text = "" // a service that should know credentials is broken: that there are none is not the cause
	}
	for _, cause := range causes {
		if cause.matches(operation, code, text) {
			return p.newErrorOf(cause, words)
		}
	}
	return p.explainUnknown(code, words, err)
}

// newErrorOf returns the error of a cause, in AWS's words or in those that stand for them.
func (p principal) newErrorOf(c cause, words string) *fault.Error {
	if c.text != "" {
		words = strings.ReplaceAll(c.text, "$profile", p.profileName())
	}
	said := fault.OneLine(words)
	e := p.newError(c.kind, said, c.sentinel)
	e.Action, e.Clock = fault.DeniedAction(said), clockOf(said)
	return e
}

// newError returns an error of AWS with what is known of the principal. errors.Is finds the sentinel, if it is not nil,
// in it. The text has AWS's words, and not those of the sentinel.
func (p principal) newError(kind fault.Kind, text string, sentinel error) *fault.Error {
	var causes []error
	if sentinel != nil {
		causes = []error{sentinel}
	}
	e := fault.New(kind, "AWS: "+text, causes...)
	e.Amazon, e.Profile, e.Role, e.Region = true, p.profileName(), p.role, p.region
	return e
}

// explainUnknown returns an error in the words of AWS, or of the network on the way there.
func (p principal) explainUnknown(code, words string, err error) error {
	if sent, ok := errors.AsType[*url.Error](err); ok {
		return p.newUnreachable(sent)
	}
	_, garbled := errors.AsType[*smithy.DeserializationError](err)
	switch status := statusOf(err); {
	case code != "":
		words = code + ": " + words
	case status != 0 && (garbled || strings.Contains(words, unnamedCode)):
		return newUnreadable(status)
	}
	return p.newError(fault.Unexplained, fault.OneLine(words), nil)
}

// newUnreachable returns the error of a request that got no answer.
func (p principal) newUnreachable(sent *url.Error) error {
	host := sent.URL
	if address, err := url.Parse(sent.URL); err == nil {
		host = address.Host
	}
	e := p.newError(fault.AWSUnreachable, fmt.Sprintf("unreachable: %s", sent.Err), fault.ErrUnreachable)
	if errors.As(sent, new(*net.DNSError)) { // a region that does not exist has no address
		e.Kind = fault.AWSRegion
	}
	e.Host = host
	return e
}

// unnamedCode is what the SDK makes of an error without a code.
const unnamedCode = "UnknownError"

// statusOf returns the status of the answer that an error is about, or 0.
func statusOf(err error) int {
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return answer.HTTPStatusCode()
	}
	return 0
}

// newUnreadable returns the error of an answer that does not look like one of AWS: a balancer or a proxy before it
// wrote it.
func newUnreadable(status int) *fault.Error {
	text := fmt.Sprintf("AWS: %d %s", status, strings.ToLower(http.StatusText(status)))
	if status >= http.StatusInternalServerError {
		return fault.New(fault.AWSBroken, text)
	}
	return fault.New(fault.AWSOther, text+", which is no answer of AWS's")
}

// isTransient reports whether a failure is likely to pass: an answer that says so, or a broken connection. A connection
// to what only Amazon's machines have does not count.
func isTransient(err error) bool {
	if transientAnswers.IsErrorRetryable(err) == aws.TrueTernary {
		return true
	}
	return fault.IsTransient(err) && !strings.Contains(err.Error(), noMetadata)
}

var transientAnswers = retry.IsErrorRetryables{
	retry.RetryableHTTPStatusCode{Codes: retry.DefaultRetryableHTTPStatusCodes},
	retry.RetryableErrorCode{Codes: retry.DefaultRetryableErrorCodes},
	retry.RetryableErrorCode{Codes: retry.DefaultThrottleErrorCodes},
}

// newSilent returns the cause of a context whose time is over.
func newSilent(limit time.Duration) error {
	text := fmt.Sprintf("%v: AWS did not answer within %s", fault.ErrUnreachable, limit)
	return fault.New(fault.Silent, text, fault.ErrUnreachable)
}

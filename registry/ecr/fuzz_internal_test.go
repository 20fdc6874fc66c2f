package ecr

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// httpClient answers requests with a function.
type httpClient func(*http.Request) *http.Response

func (c httpClient) Do(req *http.Request) (*http.Response, error) { return c(req), nil }

// FuzzECRError answers a question for an image with any status and any body, as Amazon ECR or a proxy before it might.
// Only what AWS says is not there counts as gone, a digest is one, and no secret is shown.
func FuzzECRError(f *testing.F) {
	for _, body := range []string{
		`{"__type":"ImageNotFoundException","message":"no"}`,
		`{"__type":"AccessDeniedException","message":"is not authorized to perform: ecr:DescribeImages"}`,
		`{"__type":"ThrottlingException","message":"\u001b[2J later"}`, `<html>`, ``, `{"imageDetails":[]}`,
		`{"imageDetails":[{"imageDigest":"x","imageStatus":"ARCHIVED"}]}`,
		`{"imageDetails":[{"imageDigest":"sha256:` + strings.Repeat("0", 64) + `","imageStatus":"ARCHIVED"}]}`,
		`{"imageDetails":{}}`, `{"__type":"` + strings.Repeat("x", 9000) + `"}`,
		`{"message":"Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z"}`,
	} {
		f.Add(200, body)
		f.Add(400, body)
	}
	f.Add(503, `{}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		status = 200 + max(status, -status)%400
		repository := repositoryThatAnswers(status, body)
		image, err := repository.Describe(t.Context(), ImageID{Tag: "1"})
		switch {
		case err == nil && image.Digest.Validate() != nil:
			t.Errorf("%q is no digest", image.Digest)
		case err == nil:
			return
		case errors.Is(err, fault.ErrNotFound) && status >= 500:
			t.Errorf("gone by %d: %v", status, err)
		}
		text := err.Error()
		if len(text) > 2000 || strings.Contains(text, "canary-4711") || strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("%d bytes: %.500q", len(text), text)
		}
	})
}

// repositoryThatAnswers returns a Repository whose API gives one answer to every request.
func repositoryThatAnswers(status int, body string) *Repository {
	p := principal{region: "eu-west-1"}
	client := p.client(aws.Config{
		Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("AKIA", "canary-4711", ""),
		HTTPClient: httpClient(func(req *http.Request) *http.Response {
			body := io.NopCloser(bytes.NewReader([]byte(body)))
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: body, Request: req}
		}),
	})
	nothing := func() {}
	return &Repository{client: client, principal: p, name: "app", options: Options{
		RetryWaits: fault.Backoff{},
		Timeout:    5 * time.Second,
		OnCall:     func(string) (end func()) { return nothing },
		OnPause:    func(string, fault.Pause) (end func()) { return nothing },
	}}
}

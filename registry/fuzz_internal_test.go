package registry

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
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

type answering func(*http.Request) *http.Response

func (a answering) Do(req *http.Request) (*http.Response, error) { return a(req), nil }

// FuzzECRError: what Amazon ECR, or a proxy before it, says of an image that is not served. Only what AWS says is not there is gone, and a
// digest is one.
func FuzzECRError(f *testing.F) {
	for _, body := range []string{
		`{"__type":"ImageNotFoundException","message":"no"}`, `{"__type":"AccessDeniedException","message":"is not authorized to perform: ecr:DescribeImages"}`,
		`{"__type":"ThrottlingException","message":"\u001b[2J later"}`, `<html>`, ``, `{"imageDetails":[]}`, `{"imageDetails":[{"imageDigest":"x","imageStatus":"ARCHIVED"}]}`,
		`{"imageDetails":[{"imageDigest":"sha256:` + strings.Repeat("0", 64) + `","imageStatus":"ARCHIVED"}]}`, `{"imageDetails":{}}`, `{"__type":"` + strings.Repeat("x", 9000) + `"}`,
		`{"message":"Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z"}`,
	} {
		f.Add(200, body)
		f.Add(400, body)
	}
	f.Add(503, `{}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		status = 200 + max(status, -status)%400
		principal := awsPrincipal{region: "eu-west-1"}
		client := principal.ecrClient(aws.Config{
			Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("AKIA", "canary-4711", ""),
			HTTPClient: answering(func(req *http.Request) *http.Response {
				return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader([]byte(body))), Request: req}
			}),
		}, oneTry)
		api := &ecrAPI{client: client, principal: principal, repository: "app", waits: backoff{}, timeout: 5 * time.Second}
		held, _, err := api.describe(t.Context(), types.ImageIdentifier{ImageTag: aws.String("1")})
		switch {
		case err == nil && held.Validate() != nil:
			t.Errorf("%q is no digest", held)
		case err == nil:
			return
		case errors.Is(err, ErrNotFound) && status >= 500:
			t.Errorf("gone by %d: %v", status, err)
		}
		if text := err.Error(); len(text) > 2000 || strings.Contains(text, "canary-4711") || strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("%d bytes: %.500q", len(text), text)
		}
	})
}

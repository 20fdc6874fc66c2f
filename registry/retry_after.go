package registry

import (
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// retryAfterTransport turns answers with Retry-After into a *fault.RetryAfterError. The errors that
// go-containerregistry makes of answers do not hold the header, and it makes requests of its own for pings and logins.
type retryAfterTransport struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t retryAfterTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err != nil || !fault.IsTransientStatus(resp.StatusCode) {
		return resp, err
	}
	pause := parseRetryAfter(resp.Header.Get("Retry-After"))
	if pause == 0 {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	body := io.LimitReader(resp.Body, maxErrorBody)
	return nil, &fault.RetryAfterError{Err: transport.CheckError(withBody(resp, body)), Pause: pause}
}

// longestPause is longer than any pause that a registry may ask for. No budget has room for it.
const longestPause = 24 * time.Hour

// parseRetryAfter reads seconds or a date, up to longestPause. It returns 0 for anything else.
func parseRetryAfter(header string) time.Duration {
	if seconds, err := strconv.Atoi(header); err == nil {
		return time.Duration(min(max(seconds, 0), int(longestPause.Seconds()))) * time.Second
	}
	if date, err := http.ParseTime(header); err == nil {
		return min(max(time.Until(date), 0), longestPause)
	}
	return 0
}

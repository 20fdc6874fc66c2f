package registry

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// retry repeats a request of this method while its failure is likely to pass. try gets a context with the time limit of
// one try, and returns errors of the HTTP client. retry returns those of this package.
func (s *session) retry(ctx context.Context, method string, try func(context.Context) error) error {
	watch := s.watch.watchPause(s.login.host)
	onPause := func(pause fault.Pause) (end func()) {
		pause.Log(ctx, s.logger, s.login.host, method)
		return watch(pause)
	}
	return fault.Retry(ctx, s.waits, onPause, func(ctx context.Context) (bool, error) {
		bounded, stop := s.withTimeout(ctx)
		defer stop()
		err := try(bounded)
		if err == nil {
			return false, nil
		}
		passes, asked := bounded.Err() != nil || fault.IsTransient(err), fault.RetryAfter(err)
		if err = s.explain(bounded, err); asked > 0 {
			err = &fault.RetryAfterError{Err: err, Pause: asked}
		}
		return passes, err
	})
}

// retryAfterTransport makes answers with Retry-After a *fault.RetryAfterError: the errors that go-containerregistry makes of answers
// do not hold it, and it makes requests of its own for pings and logins.
type retryAfterTransport struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t retryAfterTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err != nil || !fault.IsTransientStatus(resp.StatusCode) {
		return resp, err
	}
	wait := parseRetryAfter(resp.Header.Get("Retry-After"))
	if wait == 0 {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	body := io.LimitReader(resp.Body, maxErrorBody)
	return nil, &fault.RetryAfterError{Err: transport.CheckError(withBody(resp, body)), Pause: wait}
}

// withBody returns a copy of a response with another body.
func withBody(resp *http.Response, body io.Reader) *http.Response {
	other := *resp
	other.Body = io.NopCloser(body)
	return &other
}

// longestPause is as long as any pause that a registry may ask for. No budget has room for it.
const longestPause = 24 * time.Hour

// parseRetryAfter reads seconds or a date, up to longestPause; anything else is no pause.
func parseRetryAfter(header string) time.Duration {
	if seconds, err := strconv.Atoi(header); err == nil {
		return time.Duration(min(max(seconds, 0), int(longestPause.Seconds()))) * time.Second
	}
	if date, err := http.ParseTime(header); err == nil {
		return min(max(time.Until(date), 0), longestPause)
	}
	return 0
}

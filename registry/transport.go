package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"syscall"
	"time"
)

// plainHTTPGuard refuses unencrypted requests to any host but this machine before anything is dialed. go-containerregistry would also
// use http for private networks and for *.localhost, with the password in the clear.
type plainHTTPGuard struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (g plainHTTPGuard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !isLoopback(req.URL.Host) {
		return nil, fmt.Errorf("plain http to %s refused: it is used for loopback hosts only; serve the registry over https", req.URL.Host)
	}
	return g.next.RoundTrip(req)
}

// challenges are the answers to which logging in may be the cure. Some registries let everybody read and refuse a write with 403.
var challenges = []int{http.StatusUnauthorized, http.StatusForbidden}

// challengeWatch tells a login that the registry wants one.
type challengeWatch struct {
	next  http.RoundTripper
	login *lateLogin
}

// RoundTrip implements http.RoundTripper.
func (w challengeWatch) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(req)
	if err == nil && slices.Contains(challenges, resp.StatusCode) {
		w.login.challenged.Store(true)
	}
	return resp, err
}

// retry repeats a request after each of waits while its failure is likely to pass. All that this package sends may be repeated. The wait
// ends with the context of the request.
type retry struct {
	next  http.RoundTripper
	waits []time.Duration
}

// RoundTrip implements http.RoundTripper. The last failure is the result.
func (r retry) RoundTrip(req *http.Request) (*http.Response, error) {
	for _, wait := range r.waits {
		attempt, err := rewound(req)
		if err != nil {
			return nil, err
		}
		resp, err := r.next.RoundTrip(attempt)
		if !passing(resp, err) {
			return resp, err
		}
		discard(resp)
		if err := pause(req.Context(), wait); err != nil {
			return nil, err
		}
	}
	last, err := rewound(req)
	if err != nil {
		return nil, err
	}
	return r.next.RoundTrip(last)
}

// rewound is a copy of req with its body from the beginning.
func rewound(req *http.Request) (*http.Request, error) {
	attempt := req.Clone(req.Context())
	if req.GetBody == nil {
		return attempt, nil
	}
	body, err := req.GetBody()
	attempt.Body = body
	return attempt, err
}

var (
	passingStatus = []int{
		http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}
	passingErrors = []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE}
)

func passing(resp *http.Response, err error) bool {
	if err != nil {
		return slices.ContainsFunc(passingErrors, func(passing error) bool { return errors.Is(err, passing) })
	}
	return slices.Contains(passingStatus, resp.StatusCode)
}

// discard reads what little an error answer holds, so that the connection can be used again.
func discard(resp *http.Response) {
	if resp == nil {
		return
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	_ = resp.Body.Close()
}

func pause(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// checkRedirect keeps a registry from sending us to services that only this machine reaches, such as a cloud's metadata.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("more than 10 redirects")
	}
	if isInternal(req.URL.Host) && !isLoopback(via[0].URL.Host) {
		return fmt.Errorf("redirect from %s to %s refused: only this machine answers there", via[0].URL.Host, req.URL.Host)
	}
	return nil
}

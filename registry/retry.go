package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

const (
	// The pauses between tries, unless they are given, are 1 s, 2 s, 4 s and so on up to 30 s, each shortened at random by up to a half, so
	// that those whom a registry turned away together do not come back together.
	firstWait, longestWait = time.Second, 30 * time.Second
	// tooShort: what is left of a budget after a pause must be worth a try.
	tooShort = 100 * time.Millisecond
)

// attempt is one try. It returns whether its error is likely to pass.
type attempt func(context.Context) (passes bool, err error)

// retryAttempt repeats an attempt while its failure is likely to pass: all that this package sends may be repeated. It ends
// when the next pause would outlast ctx, with a *retriesExhausted after more than one try.
//
// pausing is told of each pause, and returns what is called after it; nil is told nothing.
func retryAttempt(
	ctx context.Context, pauses backoff, pausing func(failure error, pause time.Duration) (end func()), try attempt,
) error {
	if pausing == nil {
		pausing = Watch(nil).watchPause("")
	}
	began := time.Now()
	var last error
	for tries := 1; ; tries++ {
		passes, failure := try(ctx)
		switch {
		case failure == nil:
			return nil
		case last != nil && errors.Is(ctx.Err(), context.DeadlineExceeded): // the failure before says more
			return &retriesExhausted{error: last, tries: tries, took: time.Since(began)}
		case ctx.Err() != nil || !passes:
			return failure
		}
		last = failure
		asked := pauseAskedBy(failure)
		wait, again := pauses.pauseAfter(tries, asked)
		if !again || outlasts(ctx, wait) {
			over := &retriesExhausted{error: last, tries: tries, took: time.Since(began), asked: asked}
			if again && asked > 0 {
				over.tooLong = wait
			}
			return over
		}
		end := pausing(failure, wait)
		err := pause(ctx, wait)
		end()
		if err != nil {
			return err
		}
	}
}

// retry tries until it succeeds. try is given a context with the time limit of one try; its errors are those of the
// HTTP client. Its own error is one of this package.
func (s *session) retry(ctx context.Context, try func(context.Context) error) error {
	return retryAttempt(ctx, s.waits, s.watch.watchPause(s.login.host), func(ctx context.Context) (bool, error) {
		bounded, stop := s.withTimeout(ctx)
		defer stop()
		err := try(bounded)
		if err == nil {
			return false, nil
		}
		passes, asked := bounded.Err() != nil || isTransient(err), pauseAskedBy(err)
		if err = s.explain(bounded, err); asked > 0 {
			err = &pauseError{error: err, pause: asked}
		}
		return passes, err
	})
}

// retriesExhausted is the last of several failures, and what was done about them.
type retriesExhausted struct {
	error
	tries int
	took  time.Duration
	asked time.Duration // for a pause
	// tooLong is the pause that was asked for, if less time is left.
	tooLong time.Duration
}

// Error is the last failure, with what was done about it and why there is no further try.
func (e *retriesExhausted) Error() string {
	switch {
	case e.tooLong > 0:
		return fmt.Sprintf("%v (tried %s: the next try may begin in %s, and less time is left)", e.error, e.attemptsText(),
			e.tooLong.Round(time.Second/10))
	case e.tries == 1:
		return e.error.Error()
	}
	return fmt.Sprintf("%v (tried %s)", e.error, e.attemptsText())
}

// attemptsText returns how often, and for how long.
func (e *retriesExhausted) attemptsText() string {
	if e.tries == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times in %s", e.tries, e.took.Round(time.Second/10))
}

// Unwrap is the last failure.
func (e *retriesExhausted) Unwrap() error { return e.error }

// backoff are the pauses after the first, second, ... try. Nil means growing ones without an end.
type backoff []time.Duration

// pauseAfter returns the pause after so many tries, which is not shorter than what the registry asked for. again is false
// when there is to be no further try.
func (w backoff) pauseAfter(tries int, asked time.Duration) (wait time.Duration, again bool) {
	if w != nil {
		left := w[min(tries-1, len(w)):]
		if len(left) == 0 {
			return 0, false
		}
		return max(left[0], asked), true
	}
	wait = longestWait
	if tries < 6 { // 1 s << 5 is more than the longest
		wait = firstWait << (tries - 1)
	}
	return max(wait/2+rand.N(wait/2), asked), true //nolint:gosec // it spreads, it hides nothing
}

// outlasts says whether ctx has a deadline before the end of the pause and of a try after it.
func outlasts(ctx context.Context, wait time.Duration) bool {
	deadline, bounded := ctx.Deadline()
	return bounded && time.Until(deadline) < wait+tooShort
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

var (
	passingStatus = []int{
		http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}
	passingErrors = []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed}
	// passingWords are of HTTP/2, whose errors have no exported types.
	passingWords = []string{"http2: server sent GOAWAY", "stream error: stream ID"}
)

func isTransientStatus(status int) bool { return slices.Contains(passingStatus, status) }

// isTransient reports whether an error of the HTTP client is likely to pass.
func isTransient(err error) bool {
	if answered, ok := errors.AsType[*transport.Error](err); ok {
		return isTransientStatus(answered.StatusCode)
	}
	if failed, ok := errors.AsType[net.Error](err); ok && failed.Timeout() {
		return true
	}
	if unresolved, ok := errors.AsType[*net.DNSError](err); ok {
		return unresolved.IsTemporary && !unresolved.IsNotFound
	}
	return slices.ContainsFunc(passingErrors, func(passing error) bool { return errors.Is(err, passing) }) ||
		slices.ContainsFunc(passingWords, func(words string) bool { return strings.Contains(err.Error(), words) })
}

// pauseError is a failure after which a registry wants to be left alone for a while.
type pauseError struct {
	error
	pause time.Duration
}

// Unwrap returns the failure.
func (e *pauseError) Unwrap() error { return e.error }

// pauseAskedBy returns the pause that the registry asked for in a failure; 0 if it asked for none.
func pauseAskedBy(err error) time.Duration {
	if asked, ok := errors.AsType[*pauseError](err); ok {
		return asked.pause
	}
	return 0
}

// retryAfterTransport makes answers with Retry-After a *pauseError: the errors that go-containerregistry makes of answers
// do not hold it, and it makes requests of its own for pings and logins.
type retryAfterTransport struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t retryAfterTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err != nil || !isTransientStatus(resp.StatusCode) {
		return resp, err
	}
	wait := parseRetryAfter(resp.Header.Get("Retry-After"))
	if wait == 0 {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	body := io.LimitReader(resp.Body, maxErrorBody)
	return nil, &pauseError{error: transport.CheckError(withBody(resp, body)), pause: wait}
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

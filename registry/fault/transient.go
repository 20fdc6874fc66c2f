package fault

import (
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

var (
	transientStatus = []int{
		http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}
	transientErrors = []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed}
	// transientWords belong to HTTP/2, whose errors have no exported types.
	transientWords = []string{"http2: server sent GOAWAY", "stream error: stream ID"}
)

// IsTransientStatus reports whether an answer with this status is likely to pass.
func IsTransientStatus(status int) bool { return slices.Contains(transientStatus, status) }

// IsTransient reports whether an error of the HTTP client is likely to pass.
func IsTransient(err error) bool {
	if answer, ok := errors.AsType[*transport.Error](err); ok {
		return IsTransientStatus(answer.StatusCode)
	}
	if failure, ok := errors.AsType[net.Error](err); ok && failure.Timeout() {
		return true
	}
	if lookup, ok := errors.AsType[*net.DNSError](err); ok {
		return lookup.IsTemporary && !lookup.IsNotFound
	}
	return slices.ContainsFunc(transientErrors, func(transient error) bool { return errors.Is(err, transient) }) ||
		slices.ContainsFunc(transientWords, func(words string) bool { return strings.Contains(err.Error(), words) })
}

// RetryAfterError is a failure after which a registry wants a pause.
type RetryAfterError struct {
	Err   error
	Pause time.Duration
}

// Error returns the text of the failure.
func (e *RetryAfterError) Error() string { return e.Err.Error() }

// Unwrap returns the failure.
func (e *RetryAfterError) Unwrap() error { return e.Err }

// RetryAfter returns the pause that the registry wants after a failure; 0 if it wants none.
func RetryAfter(err error) time.Duration {
	if later, ok := errors.AsType[*RetryAfterError](err); ok {
		return later.Pause
	}
	return 0
}

package registry

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// loginHistory remembers what a Keychain gave last for each host, and which of its logins failed. A daemon asks several
// times, and tells of any one of its tries.
type loginHistory struct {
	mu     sync.Mutex
	given  map[string]finding // by host
	failed []failedLogin      // the oldest first
}

// failedLogin is an error of Lookup or Token.
type failedLogin struct {
	host string
	err  *LoginError
}

// failedLimit is how many failed logins a loginHistory remembers, the newest.
const failedLimit = 256

// LoginError is a failed login that a daemon asked for. Types do not survive the way through the daemon: ForDaemon
// gives the error an ID, by which ExplainPush finds it in the daemon's text.
type LoginError struct {
	id    string
	cause error
}

// Error returns the text of the cause.
func (e *LoginError) Error() string { return e.cause.Error() }

// Unwrap returns the cause.
func (e *LoginError) Unwrap() error { return e.cause }

// ForDaemon returns the error of Lookup or Token as it is to reach a daemon. It returns any other error as it is.
func ForDaemon(err error) error {
	login, ok := errors.AsType[*LoginError](err)
	if !ok {
		return err
	}
	return fmt.Errorf("login error %s: %w", login.id, err)
}

// record keeps what the keychain gives for host. It returns err as a *LoginError.
func (h *loginHistory) record(host string, given finding, err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.given == nil {
		h.given = map[string]finding{}
	}
	h.given[host] = given
	if err == nil {
		return nil
	}
	failed := failedLogin{host: host, err: &LoginError{id: rand.Text(), cause: err}}
	h.failed = append(h.failed, failed)
	if len(h.failed) > failedLimit {
		h.failed = slices.Delete(h.failed, 0, len(h.failed)-failedLimit)
	}
	return failed.err
}

// last returns what the keychain gave last for host. ok is false when nobody asked.
func (h *loginHistory) last(host string) (given finding, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	given, ok = h.given[host]
	return given, ok
}

// matchError returns the failed login whose ID is in a daemon's text, and its host. It returns nil if there is none.
func (h *loginHistory) matchError(text string) (host string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, failed := range h.failed {
		if strings.Contains(text, failed.err.id) {
			return failed.host, failed.err
		}
	}
	return "", nil
}

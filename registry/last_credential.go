package registry

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/ecr"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// lastCredential is what Lookup returned last for a host.
type lastCredential struct{ finding }

// failedLogin is an error of Lookup or Token. A daemon asks several times, and tells of any one of its tries.
type failedLogin struct {
	host string
	err  *LoginError
}

// failedLimit is how many failed logins a Keychain remembers, the newest.
const failedLimit = 256

// LoginError is a failed login that a daemon asked for. Types do not survive the way through the daemon: ForDaemon gives
// the error an ID, by which ExplainPush finds it in the daemon's text.
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

// record keeps what is given for host. It returns err as a *LoginError.
func (k *Keychain) record(host string, given finding, err error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.handed[host] = lastCredential{given}
	if err == nil {
		return nil
	}
	failed := failedLogin{host: host, err: &LoginError{id: rand.Text(), cause: err}}
	k.failed = append(k.failed, failed)
	if len(k.failed) > failedLimit {
		k.failed = slices.Delete(k.failed, 0, len(k.failed)-failedLimit)
	}
	return failed.err
}

// last returns what was given last for host. ok is false when nobody asked.
func (k *Keychain) last(host string) (given lastCredential, ok bool) {
	if k == nil {
		return lastCredential{}, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	given, ok = k.handed[host]
	return given, ok
}

// matchError returns the error of Lookup or Token whose ID is in a daemon's text, and its host; nil if there is none.
func (k *Keychain) matchError(text string) (host string, err error) {
	if k == nil {
		return "", nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, failed := range k.failed {
		if strings.Contains(text, failed.err.id) {
			return failed.host, failed.err
		}
	}
	return "", nil
}

// Invalidate says that host refused what Lookup gave last for it. A token that was kept is not given out again.
func (k *Keychain) Invalidate(host string) {
	host = fault.CanonicalHost(host)
	given, _ := k.last(host)
	k.invalidate(host, given.Credential)
}

func (k *Keychain) invalidate(host string, refused Credential) {
	if amazon, ok := k.ECR.Registry(host); ok {
		amazon.Forget(ecr.Credential{Username: refused.Username, Password: refused.Password})
	}
}

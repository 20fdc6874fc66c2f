package registry

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"unicode"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/ecr"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// Keychain finds credentials at the moment they are needed, for exactly the host that asks. It asks these sources, in
// this order:
//
//   - the logins that it was given;
//   - the cloud whose registry it is: Amazon, Google or Microsoft;
//   - DOCKER_AUTH_CONFIG, and docker's config.json with its credential helpers;
//   - for ghcr.io, GITHUB_TOKEN.
//
// It keeps only Amazon's tokens, and what it gave last. It is safe for concurrent use and prints as [keychain].
type Keychain struct {
	logins []Login
	// DockerConfig is the folder of docker's config.json. Empty means $DOCKER_CONFIG, and without it ~/.docker. Set it
	// before the first use.
	DockerConfig string
	// ECR says who we are at Amazon ECR. Set it before the first use.
	ECR ecr.Config
	// Watch is told of the waits for logins. Set it before the first use.
	Watch Watch
	// Log receives records of level Debug about which source answered for which host, and what the others said. They
	// hold nothing of a credential. Nil discards them. Set it before the first use.
	Log *slog.Logger

	history loginHistory
}

// NewKeychain keeps logins; of two for one host the first counts. It reads nothing.
func NewKeychain(logins []Login) *Keychain { return &Keychain{logins: slices.Clone(logins)} }

// Format implements fmt.Formatter: fmt would otherwise print the logins, since it asks no method of an unexported
// field.
func (k *Keychain) Format(f fmt.State, _ rune) { redact(f, "[keychain]") }

// Lookup finds the credential for host, an address in any form docker takes. It returns the zero Credential, and no
// error, when there is none. It returns an error for a configuration that cannot be read and for a helper that fails,
// since nobody knows what these hold. It kills a helper when ctx ends, and after a minute.
//
// A private host of Amazon ECR lets nobody in without credentials. If neither AWS nor docker's config.json has some,
// Lookup returns an ErrUnauthorized that names both. What it gives for such a host is good for some hours more. It
// takes up to 45 seconds where AWS throttles or is broken.
func (k *Keychain) Lookup(ctx context.Context, host string) (Credential, error) {
	found, err := k.lookupAndRecord(ctx, fault.CanonicalHost(host))
	return found.Credential, err
}

// lookupAndRecord does what Lookup does, and also returns where the credential is from. It records nothing when ctx
// ends first.
func (k *Keychain) lookupAndRecord(ctx context.Context, host string) (finding, error) {
	found, err := k.lookup(ctx, host)
	if ctx.Err() == nil {
		err = k.history.record(host, found, err)
	}
	return found, err
}

// finding is a credential and where it is from.
type finding struct {
	Credential
	renewable bool  // it is a token of Amazon's, which may have expired
	instead   error // why it is not the cloud's
}

// lookup asks one source after the other.
func (k *Keychain) lookup(ctx context.Context, host string) (finding, error) {
	if strings.ContainsFunc(host, func(r rune) bool { return !unicode.IsPrint(r) }) { // a daemon asks for any
		return finding{}, fmt.Errorf("there are no credentials for %q, which is no host", host)
	}
	if login, ok := k.login(host); ok {
		given := Credential{Username: login.Username, Password: login.Password}
		k.logSource(ctx, host, "logins", given, nil)
		return finding{Credential: given}, nil
	}
	own, ownErr := k.cloudCredential(ctx, host)
	if ctx.Err() != nil {
		return finding{}, context.Cause(ctx)
	}
	if ownErr == nil && !own.Anonymous() {
		return finding{Credential: own, renewable: k.isECR(host)}, nil
	}
	stored, err := k.storedCredential(ctx, host)
	amazon, ok := k.ECR.Registry(host)
	switch {
	case ok && !amazon.IsPublic() && stored.Anonymous() && ctx.Err() == nil:
		return finding{}, newNoECRLogin(host, ownErr, err)
	case err != nil:
		return finding{}, err
	}
	if stored.Anonymous() {
		fault.Logger(k.Log).DebugContext(ctx, "no credential found", "host", host)
	}
	return finding{Credential: stored, instead: ownErr}, nil
}

// logSource logs what a source of credentials answered for host. It logs nothing of the credential.
func (k *Keychain) logSource(ctx context.Context, host, source string, found Credential, err error) {
	logger := fault.Logger(k.Log).With("host", host, "source", source)
	switch {
	case err != nil:
		logger.DebugContext(ctx, "credential source failed", "reason", fault.OneLine(err.Error()))
	case found.Anonymous():
		logger.DebugContext(ctx, "credential source has none")
	default:
		logger.DebugContext(ctx, "credential found")
	}
}

// login returns the login that the keychain was given for host, if it has a user or a password in it.
func (k *Keychain) login(host string) (Login, bool) {
	for _, login := range k.logins {
		if login.Host() == host && login.Username+login.Password != "" {
			return login, true
		}
	}
	return Login{}, false
}

// isECR reports whether host is one of Amazon ECR. A keychain may be nil.
func (k *Keychain) isECR(host string) bool {
	if k == nil {
		return false
	}
	_, ok := k.ECR.Registry(host)
	return ok
}

// link returns how to reach host: the first login for it with an authority or with the permission for plain http. A
// keychain may be nil.
func (k *Keychain) link(host string) Login {
	if k == nil {
		return Login{}
	}
	for _, login := range k.logins {
		if login.Host() == host && (login.Insecure || login.CAFile != "") {
			return login
		}
	}
	return Login{}
}

// isInsecure reports whether the user allows plain http for host. A keychain may be nil.
func (k *Keychain) isInsecure(host string) bool { return k.link(host).Insecure }

// namedHosts returns the hosts in the list of logins, and whether the user allows plain http for them. A keychain may
// be nil.
func (k *Keychain) namedHosts() map[string]bool {
	hosts := map[string]bool{}
	if k == nil {
		return hosts
	}
	for _, login := range k.logins {
		hosts[login.Host()] = hosts[login.Host()] || login.Insecure
	}
	return hosts
}

// Insecure returns those of the repositories, host/path, for whose hosts the user allows plain http.
func (k *Keychain) Insecure(repositories []string) []string {
	return slices.DeleteFunc(slices.Clone(repositories), func(repository string) bool {
		return !k.isInsecure(fault.CanonicalHost(repository))
	})
}

// Links returns the logins that say how to reach their hosts, by host.
func (k *Keychain) Links() map[string]Login {
	links := map[string]Login{}
	for _, login := range k.logins {
		if link := k.link(login.Host()); link.Insecure || link.CAFile != "" {
			links[login.Host()] = link
		}
	}
	return links
}

// loginHistory returns what the keychain gave so far. A keychain may be nil.
func (k *Keychain) loginHistory() *loginHistory {
	if k == nil {
		return &loginHistory{}
	}
	return &k.history
}

// Invalidate says that host refused what Lookup gave last for it. Lookup does not give a token out again that was
// refused.
func (k *Keychain) Invalidate(host string) {
	host = fault.CanonicalHost(host)
	given, _ := k.history.last(host)
	k.invalidate(host, given.Credential)
}

func (k *Keychain) invalidate(host string, refused Credential) {
	if amazon, ok := k.ECR.Registry(host); ok {
		amazon.Forget(ecr.Credential{Username: refused.Username, Password: refused.Password})
	}
}

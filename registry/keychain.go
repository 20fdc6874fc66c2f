package registry

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/ecr"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// Keychain finds credentials at the moment they are needed, for exactly the host that asks. It asks, in this order, the logins it was
// given; the cloud whose registry it is, Amazon, Google or Microsoft; DOCKER_AUTH_CONFIG, and docker's config.json with its credential
// helpers; for ghcr.io GITHUB_TOKEN. Of all this it keeps only Amazon's tokens, and what it gave
// last. It is safe for concurrent use and prints as [keychain].
type Keychain struct {
	logins []Login
	// DockerConfig is the folder of docker's config.json. Empty means $DOCKER_CONFIG, and without it ~/.docker. Set it before the first use.
	DockerConfig string
	// ECR says who we are at Amazon ECR. Set it before the first use.
	ECR ecr.Config
	// Watch is told of the waits for logins. Set it before the first use.
	Watch Watch
	// Log receives records of level Debug about which source answered for which host, and what the others said. They
	// hold nothing of a credential. Nil discards them. Set it before the first use.
	Log *slog.Logger

	mu     sync.Mutex
	handed map[string]lastCredential // by host
	failed []failedLogin             // the oldest first
}

// NewKeychain keeps logins; of two for one host the first counts. It reads nothing.
func NewKeychain(logins []Login) *Keychain {
	return &Keychain{logins: slices.Clone(logins), handed: map[string]lastCredential{}}
}

// Format implements fmt.Formatter: fmt would otherwise print the logins, since it asks no method of an unexported field.
func (k *Keychain) Format(f fmt.State, _ rune) { redact(f, "[keychain]") }

// Lookup finds the credential for host, an address in any form docker takes. The zero Credential means that there is none, which is no
// error. A configuration that cannot be read and a helper that fails are: what they hold is not known. A helper is killed when ctx ends,
// and after a minute.
//
// A private host of Amazon ECR lets nobody in without credentials; if neither AWS nor docker's config.json has some, that is an
// ErrUnauthorized which names both. What it gives for such a host is good for some hours more. It takes up to 45 seconds where AWS throttles
// or is broken.
func (k *Keychain) Lookup(ctx context.Context, host string) (Credential, error) {
	host = fault.CanonicalHost(host)
	found, err := k.find(ctx, host)
	return found.Credential, err
}

// find is Lookup with where the credential is from. Who gave up leaves no trace.
func (k *Keychain) find(ctx context.Context, host string) (finding, error) {
	found, err := k.lookup(ctx, host)
	if ctx.Err() == nil {
		err = k.record(host, found, err)
	}
	return found, err
}

// finding is a credential and where it is from.
type finding struct {
	Credential
	renewable bool  // it is a token of Amazon's, which may have expired
	instead   error // why it is not the cloud's
}

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
		return finding{}, noECRLogin(host, ownErr, err)
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

// login is the one that was given for host, if it has a user or a password in it.
func (k *Keychain) login(host string) (Login, bool) {
	for _, login := range k.logins {
		if login.Host() == host && login.Username+login.Password != "" {
			return login, true
		}
	}
	return Login{}, false
}

// isECR says whether host is one of Amazon ECR. A keychain may be nil.
func (k *Keychain) isECR(host string) bool {
	if k == nil {
		return false
	}
	_, ok := k.ECR.Registry(host)
	return ok
}

// link is how to reach host, by the first entry that says more than who we are. A keychain may be nil.
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

// named are the hosts in the list of logins, and whether the user allows plain http for them. A keychain may be nil.
func (k *Keychain) named() map[string]bool {
	hosts := map[string]bool{}
	if k == nil {
		return hosts
	}
	for _, login := range k.logins {
		hosts[login.Host()] = hosts[login.Host()] || login.Insecure
	}
	return hosts
}

// Insecure are those of the repositories, host/path, to whose hosts plain http is spoken because the user said so.
func (k *Keychain) Insecure(repositories []string) []string {
	return slices.DeleteFunc(slices.Clone(repositories), func(r string) bool { return !k.link(fault.CanonicalHost(r)).Insecure })
}

// Links are the logins that say how to reach their hosts, by host.
func (k *Keychain) Links() map[string]Login {
	links := map[string]Login{}
	for _, login := range k.logins {
		if link := k.link(login.Host()); link.Insecure || link.CAFile != "" {
			links[login.Host()] = link
		}
	}
	return links
}

func (k *Keychain) cloudCredential(ctx context.Context, host string) (Credential, error) {
	amazon, ok := k.ECR.Registry(host)
	if ok || isOf(clouds, host) {
		defer k.Watch.begin(Wait{Kind: WaitCloud, Host: host})()
	}
	if !ok {
		return k.askClouds(ctx, clouds, host)
	}
	given, err := amazon.Credential(ctx, k.Log)
	found := Credential{Username: given.Username, Password: given.Password}
	k.logSource(ctx, host, "Amazon ECR", found, err)
	return found, err
}

// askClouds asks the cloud that host belongs to. The zero Credential means that there is no such cloud, or that it gives
// none.
func (k *Keychain) askClouds(ctx context.Context, clouds []cloud, host string) (Credential, error) {
	i := slices.IndexFunc(clouds, func(c cloud) bool { return c.has(host) })
	if i < 0 {
		return Credential{}, nil
	}
	found, err := askInTime(ctx, host, clouds[i].ask)
	k.logSource(ctx, host, clouds[i].source, found, err)
	return found, err
}

// noECRLogin returns the error of a private host of Amazon ECR for which nobody has credentials. docker is nil where its
// config.json merely has none.
func noECRLogin(host string, aws, docker error) error {
	if docker != nil {
		text := fmt.Sprintf("%s; and %s", docker, aws)
		return fault.New(fault.Unexplained, text, fault.ErrUnauthorized, docker, aws)
	}
	text := fmt.Sprintf("credentials for %s: %s", host, aws)
	e := fault.New(fault.NoStoredLogin, text, fault.ErrUnauthorized, aws)
	e.Host = host
	return e
}

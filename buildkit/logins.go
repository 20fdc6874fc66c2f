package buildkit

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
	"github.com/moby/buildkit/solver/pb"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/moby/buildkit/util/gitutil"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// logins takes the logins out of URLs before a daemon sees them. A login becomes a secret that BuildKit asks for when
// it fetches from git and http servers
// (https://docs.docker.com/build/building/secrets/#git-authentication-for-remote-contexts).
//
// Nobody can guess the names of these secrets. Otherwise a Dockerfile could mount the secret in a step, or fetch
// something else from the same host with it.
type logins struct {
	userSecrets map[string]Secret // the program's own secrets, which come first
	redact      *redaction

	mu     sync.Mutex
	values map[string]string // by the id of the secret
	random string            // of this solve, for git
	rounds int               // of the hash that names a login for files
	urls   map[string]bool   // without their logins, of sources that the Dockerfile names with one
}

func newLogins(redact *redaction) *logins {
	return &logins{
		redact: redact, values: map[string]string{}, urls: map[string]bool{}, random: rand.Text(), rounds: 200_000,
	}
}

// secret returns the login with this id of a secret. ok is false if there is none.
func (l *logins) secret(id string) (value []byte, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, ok := l.values[id]
	return []byte(v), ok
}

// learn hides the logins and secrets of the URLs in a text from then on.
func (l *logins) learn(text string) {
	for _, value := range login.SecretsIn(text) {
		l.redact.learn(value)
	}
}

// keepLogin remembers the login that was cut from a URL, and returns the attribute by which a source names it. git says
// that the URL is that of a git repository. The attribute is "" if the program gave a secret for the host, or if git
// would not use the login because it has no password.
func (l *logins) keepLogin(plain, user string, git bool) (attribute, value string) {
	u, err := url.Parse(plain)
	if err != nil {
		return "", ""
	}
	account := login.Parse(user)
	l.redact.learn(account.Basic())
	for _, value := range login.Secrets(user) {
		l.redact.learn(value)
	}
	if git {
		return l.keepGitLogin(u, account)
	}
	host := u.Hostname()
	if l.userSecrets[httpHeaderPrefix+host] != nil || l.userSecrets[inputs.HTTPTokenPrefix+host] != nil {
		return "", ""
	}
	id := httpHeaderPrefix + l.stableName(account, u.Host)
	l.set(id, account.Basic())
	return pb.AttrHTTPAuthHeaderSecret, id
}

// keepGitLogin does what keepLogin does, for git. BuildKit appends the host to the name in the attribute (source/git,
// authSecretNames).
func (l *logins) keepGitLogin(u *url.URL, account login.Login) (attribute, value string) {
	if u.Scheme != "http" && u.Scheme != "https" || !account.HasPassword ||
		l.userSecrets[llb.GitAuthHeaderKey+"."+u.Host] != nil || l.userSecrets[llb.GitAuthTokenKey+"."+u.Host] != nil {
		return "", ""
	}
	sum := sha256.Sum256([]byte(u.String()))
	id := llb.GitAuthHeaderKey + "_" + l.random + hex.EncodeToString(sum[:])
	l.set(id+"."+u.Host, account.Basic())
	return pb.AttrAuthHeaderSecret, id
}

// set remembers the value of a secret.
func (l *logins) set(id, value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.values[id] = value
}

// httpHeaderPrefix begins the names of secrets that BuildKit asks for when it fetches from http servers (source/http).
const httpHeaderPrefix = "HTTP_AUTH_HEADER_"

// stableName returns the name of a login's secret. The name is the same in every build, because it is part of the keys
// of BuildKit's cache. It cannot be computed without the password, and guessing the password from it is slow.
func (l *logins) stableName(account login.Login, host string) string {
	password, salt := account.User+":"+account.Password, []byte("pulumi-buildkit login "+host)
	key, err := pbkdf2.Key(sha256.New, password, salt, l.rounds, 16)
	if err != nil {
		return rand.Text()
	}
	return hex.EncodeToString(key)
}

// rules returns the rules by which the daemon asks for the logins of the locations that the program names.
//
// Daemons older than BuildKit v0.26 need such rules, because they do not ask the session. Every daemon since v0.11
// knows them.
func (l *logins) rules(files inputs.Files) []*spb.Rule {
	var rules []*spb.Rule
	for _, location := range slices.Sorted(maps.Values(files.Remotes())) {
		l.learn(location)
		plain, user, found := login.Split(location)
		if !found {
			continue
		}
		git, isGit, err := dfgitutil.ParseGitRef(plain)
		isGit = isGit && err == nil
		remote := plain
		if isGit {
			remote = git.Remote
		}
		attribute, id := l.keepLogin(remote, user, isGit)
		if attribute == "" {
			continue
		}
		for _, identifier := range identifiers(plain, git, isGit) {
			rules = append(rules, &spb.Rule{
				Action:   spb.PolicyAction_CONVERT,
				Selector: &spb.Selector{Identifier: identifier, MatchType: spb.MatchType_EXACT},
				Updates:  &spb.Update{Identifier: identifier, Attrs: map[string]string{attribute: id}},
			})
		}
	}
	return rules
}

// identifiers returns the names of a location in BuildKit's definitions (client/llb, Git, and source/git,
// GitIdentifier.String).
func identifiers(location string, git *dfgitutil.GitRef, isGit bool) []string {
	if !isGit {
		return []string{location}
	}
	remote, err := gitutil.ParseURL(git.Remote)
	if err != nil {
		return nil
	}
	id := "git://" + remote.Host + "/" + strings.TrimLeft(remote.Path, "/")
	if git.Ref != "" || git.SubDir != "" {
		id += "#" + git.Ref
	}
	if git.SubDir != "" {
		id += ":" + git.SubDir
	}
	return []string{id}
}

// cutLogin takes the login out of a source that a daemon is about to fetch. It reports whether there was one.
func (l *logins) cutLogin(op *pb.SourceOp) bool {
	l.learn(op.Identifier)
	remote, git := op.Attrs[pb.AttrFullRemoteURL], true
	if remote == "" {
		remote, git = op.Identifier, false
	}
	l.learn(remote)
	plain, user, found := login.Split(remote)
	scheme, _, _ := strings.Cut(remote, "://")
	if !found || user == "" || scheme == "docker-image" || scheme == "oci-layout" || scheme == "local" {
		return false
	}
	op.Attrs = maps.Clone(op.Attrs)
	if op.Attrs == nil {
		op.Attrs = map[string]string{}
	}
	if git {
		op.Attrs[pb.AttrFullRemoteURL] = plain
	} else {
		op.Identifier = plain
	}
	if attribute, id := l.keepLogin(plain, user, git); attribute != "" {
		op.Attrs[attribute] = id
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.urls[login.Hide(plain)] = true
	return true
}

// urlsWithLogins returns the URLs that the Dockerfile names with a login, without the logins.
func (l *logins) urlsWithLogins() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.urls))
}

// DockerfileLoginError is a warning about a URL in the Dockerfile that has a login. The build keeps the Dockerfile's
// text as it is.
type DockerfileLoginError struct{ URL string }

// Error names the URL, without its login.
func (e *DockerfileLoginError) Error() string {
	return "the Dockerfile writes a login into the URL " + e.URL + ": whoever reads the Dockerfile has it, and " +
		"everybody who pulls the image, whose history and provenance have the line"
}

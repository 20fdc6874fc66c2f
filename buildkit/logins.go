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

// logins takes the logins out of URLs before a daemon sees them. They travel as the secrets that BuildKit asks for when
// it fetches from git and http servers
// (https://docs.docker.com/build/building/secrets/#git-authentication-for-remote-contexts).
//
// The names of these secrets cannot be guessed: whoever writes the Dockerfile could mount a secret with a known name in
// a step, or fetch something else from the same host with it.
type logins struct {
	userSecrets map[string]Secret // the program's own secrets, which come first
	redact      *redaction

	mu     sync.Mutex
	values map[string]string // by the id of the secret
	random string            // of this solve, for git
	rounds int               // of the hash that names a login for files
	urls   map[string]bool   // without their logins, of sources that the Dockerfile named with one
}

func newLogins(redact *redaction) *logins {
	return &logins{
		redact: redact, values: map[string]string{}, urls: map[string]bool{}, random: rand.Text(), rounds: 200_000,
	}
}

// secret returns the login that a daemon asks for by the id of a secret.
func (l *logins) secret(id string) (value []byte, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, ok := l.values[id]
	return []byte(v), ok
}

func (l *logins) learn(text string) {
	for _, value := range login.SecretsIn(text) {
		l.redact.learn(value)
	}
}

// keepLogin remembers the login that was cut from a URL, and returns the attribute by which a source names it. git tells
// whether the URL is a git repository's or a file's. The attribute is "" when the program gave a secret for the host,
// or when git would not use the login because it has no password.
func (l *logins) keepLogin(plain, user string, git bool) (attr, value string) {
	u, err := url.Parse(plain)
	if err != nil {
		return "", ""
	}
	who := login.Parse(user)
	l.redact.learn(who.Basic())
	for _, value := range login.Secrets(user) {
		l.redact.learn(value)
	}
	if git {
		return l.keepGitLogin(u, who)
	}
	if l.userSecrets[httpHeaderPrefix+u.Hostname()] != nil || l.userSecrets[inputs.HTTPTokenPrefix+u.Hostname()] != nil {
		return "", ""
	}
	id := httpHeaderPrefix + l.stableName(who, u.Host)
	l.set(id, who.Basic())
	return pb.AttrHTTPAuthHeaderSecret, id
}

// keepGitLogin does what keep does, for git. BuildKit appends the host to the name in the attribute (source/git,
// authSecretNames).
func (l *logins) keepGitLogin(u *url.URL, who login.Login) (attr, value string) {
	if u.Scheme != "http" && u.Scheme != "https" || !who.HasPassword ||
		l.userSecrets[llb.GitAuthHeaderKey+"."+u.Host] != nil || l.userSecrets[llb.GitAuthTokenKey+"."+u.Host] != nil {
		return "", ""
	}
	sum := sha256.Sum256([]byte(u.String()))
	id := llb.GitAuthHeaderKey + "_" + l.random + hex.EncodeToString(sum[:])
	l.set(id+"."+u.Host, who.Basic())
	return pb.AttrAuthHeaderSecret, id
}

func (l *logins) set(id, value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.values[id] = value
}

// httpHeaderPrefix begins the names of secrets that BuildKit asks for when it fetches from http servers (source/http), as httpToken does.
const httpHeaderPrefix = "HTTP_AUTH_HEADER_"

// stableName returns the name of a login's secret. It is the same in every build, because BuildKit's cache has it in its
// keys. It cannot be computed without the password, and guessing the password from it is slow.
func (l *logins) stableName(who login.Login, host string) string {
	key, err := pbkdf2.Key(sha256.New, who.User+":"+who.Password, []byte("pulumi-buildkit login "+host), l.rounds, 16)
	if err != nil {
		return rand.Text()
	}
	return hex.EncodeToString(key)
}

// rules have the daemon ask for the logins of the locations that the program names. Every daemon since BuildKit v0.11
// knows such rules, which older ones than v0.26 need: they do not ask the session.
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
		attr, id := l.keepLogin(remote, user, isGit)
		if attr == "" {
			continue
		}
		for _, identifier := range identifiers(plain, git, isGit) {
			rules = append(rules, &spb.Rule{
				Action:   spb.PolicyAction_CONVERT,
				Selector: &spb.Selector{Identifier: identifier, MatchType: spb.MatchType_EXACT},
				Updates:  &spb.Update{Identifier: identifier, Attrs: map[string]string{attr: id}},
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

// cutLogin takes the login out of a source that a daemon is about to fetch, and tells whether there was one.
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
	if attr, id := l.keepLogin(plain, user, git); attr != "" {
		op.Attrs[attr] = id
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.urls[login.Hide(plain)] = true
	return true
}

// urlsWithLogins returns the URLs that the Dockerfile named with a login.
func (l *logins) urlsWithLogins() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.urls))
}

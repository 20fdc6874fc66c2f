package inputs

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/foreign"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// HTTPTokenPrefix begins the names of secrets that BuildKit asks for when it fetches from http servers (source/http).
const HTTPTokenPrefix = "HTTP_AUTH_TOKEN_" //nolint:gosec // a name

// secretNamePattern matches the names of query parameters that may hold a secret: those whose values login.Hide cuts,
// and words that are common elsewhere.
var secretNamePattern = regexp.MustCompile(`(?:` + login.SecretKey + `)|` +
	`(?i:(?:^|[._-])(?:key|pass|pwd|jwt|sas)(?:$|[._-]))`)

// hasQuerySecret tells whether a parameter of a URL's query seems to be a secret, by its name or its value.
func hasQuerySecret(location string) bool {
	_, query, _ := strings.Cut(location, "?")
	query, _, _ = strings.Cut(query, "#")
	for parameter := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(parameter, "=")
		name, value = unescapeQuery(name), unescapeQuery(value)
		if value == "" {
			continue
		}
		if secretNamePattern.MatchString(name) || strings.Contains(foreign.Line("?"+name+"="+value), login.Redacted) {
			return true
		}
	}
	return false
}

// unescapeQuery returns the plain form of a part of a query, or the part itself if its escapes are wrong.
func unescapeQuery(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// secretName returns the name of the secret that BuildKit sends to the host of a URL.
func secretName(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return HTTPTokenPrefix + "<host>"
	}
	if _, isGit, _ := dfgitutil.ParseGitRef(location); isGit {
		return llb.GitAuthTokenKey + "." + u.Host
	}
	return HTTPTokenPrefix + u.Hostname()
}

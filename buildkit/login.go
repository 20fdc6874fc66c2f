package buildkit

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// login is the user and password in a URL.
type login struct {
	user, password string
	hasPassword    bool
}

// basic returns the value of an Authorization header.
func (l login) basic() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(l.user+":"+l.password))
}

// CutLogin returns a location without the login in its URL, and whether it had one. The user of an ssh:// URL is no
// login; ssh takes no password from there, so one is cut. The URL does not have to be valid.
func CutLogin(location string) (plain string, found bool) {
	plain, user, found := splitLogin(location)
	return plain, found && user != ""
}

// splitLogin parts a location from the user information that is cut, which is as it was written.
func splitLogin(location string) (plain, user string, found bool) {
	scheme, rest, ok := strings.Cut(location, "://")
	if !ok {
		return location, "", false
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		return location, "", false
	}
	user, rest = rest[:at], rest[at+1:]
	if strings.EqualFold(scheme, "ssh") {
		name, password, has := strings.Cut(user, ":")
		return scheme + "://" + name + "@" + rest, password, has
	}
	return scheme + "://" + rest, user, true
}

// loginOf returns the login in the user information of a URL.
func loginOf(user string) login {
	name, password, has := strings.Cut(user, ":")
	return login{user: unescape(name), password: unescape(password), hasPassword: has}
}

func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// loginInText finds URLs with user information in any text.
var loginInText = regexp.MustCompile(`\b([A-Za-z][A-Za-z0-9+.-]*)://([^\s/?#"'<>\\]+)@`)

// tokenInText finds parameters of a query that hold a token or a signature.
var tokenInText = regexp.MustCompile(`([?&](?:[\w.-]*(?:` + tokenKey + `)[\w.-]*)=)[^&#\s"'<>]+`)

// tokenKey matches the names of parameters that hold what nobody else should see.
const tokenKey = `(?i:token|secret|signature|sig|password|passwd|apikey|api[_-]key|auth|credential|access[_-]?key)`

// HideLogins returns a text with the logins and tokens of the URLs in it cut.
func HideLogins(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	text = loginInText.ReplaceAllStringFunc(text, func(match string) string {
		plain, _, _ := splitLogin(match)
		return plain
	})
	return tokenInText.ReplaceAllString(text, "${1}"+redacted)
}

// secretsIn returns the values in a text's URLs that nobody else should see, as they are written and as they are sent.
func secretsIn(text string) []string {
	var found []string
	for _, match := range loginInText.FindAllString(text, -1) {
		if _, user, ok := splitLogin(match); ok {
			found = append(found, loginSecrets(user)...)
		}
	}
	for _, match := range tokenInText.FindAllString(text, -1) {
		_, value, _ := strings.Cut(match, "=")
		found = append(found, value, unescape(value))
	}
	return slices.DeleteFunc(found, func(s string) bool { return strings.HasPrefix(s, "$") }) // a variable's name
}

// loginSecrets returns the secret parts of the user information of a URL: the password, or a user without one, which
// may be a token.
func loginSecrets(user string) []string {
	l := loginOf(user)
	if !l.hasPassword {
		return []string{user, l.user}
	}
	_, password, _ := strings.Cut(user, ":")
	if l.user == "" || l.password == "" || len(l.user) >= tokenUser {
		return []string{user, password, l.password, l.user, l.basic()}
	}
	return []string{user, password, l.password, l.basic()}
}

// tokenUser is the length from which on a user's name is taken for a token: https://TOKEN:x-oauth-basic@github.com.
const tokenUser = 20

// Package login finds logins and other secrets in URLs, and takes them out.
package login

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Redacted is the text in place of a secret.
const Redacted = "[secret]"

// Login is the user and password in a URL.
type Login struct {
	User, Password string
	HasPassword    bool
}

// Basic returns the value of an Authorization header.
func (l Login) Basic() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(l.User+":"+l.Password))
}

// Cut returns a location without the login in its URL, and whether it had one. The URL does not have to be valid.
//
// The user of an ssh:// URL is no login. ssh takes no password from a URL, so Cut cuts it.
func Cut(location string) (plain string, found bool) {
	plain, user, found := Split(location)
	return plain, found && user != ""
}

// Split returns a location without the user information that Cut cuts, and that information as it was written.
func Split(location string) (plain, user string, found bool) {
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

// Parse returns the login in the user information of a URL.
func Parse(user string) Login {
	name, password, has := strings.Cut(user, ":")
	return Login{User: unescape(name), Password: unescape(password), HasPassword: has}
}

func unescape(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// loginInText finds URLs with user information in any text.
var loginInText = regexp.MustCompile(`\b([A-Za-z][A-Za-z0-9+.-]*)://([^\s/?#"'<>\\]+)@`)

// secretInText finds parameters of a query that hold a secret, such as a signature.
var secretInText = regexp.MustCompile(`([?&](?:[\w.-]*(?:` + SecretKey + `)[\w.-]*)=)[^&#\s"'<>]+`)

// SecretKey matches the names of parameters that hold what nobody else should see.
const SecretKey = `(?i:token|secret|signature|sig|password|passwd|apikey|api[_-]key|auth|credential|access[_-]?key)`

// Hide returns a text with the logins and secrets of the URLs in it cut.
func Hide(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	text = loginInText.ReplaceAllStringFunc(text, func(match string) string {
		plain, _, _ := Split(match)
		return plain
	})
	return secretInText.ReplaceAllString(text, "${1}"+Redacted)
}

// SecretsIn returns the secrets in the URLs of a text, both as the URLs have them and without their escapes.
func SecretsIn(text string) []string {
	var found []string
	for _, match := range loginInText.FindAllString(text, -1) {
		if _, user, ok := Split(match); ok {
			found = append(found, Secrets(user)...)
		}
	}
	for _, match := range secretInText.FindAllString(text, -1) {
		_, value, _ := strings.Cut(match, "=")
		found = append(found, value, unescape(value))
	}
	return slices.DeleteFunc(found, func(s string) bool { return strings.HasPrefix(s, "$") }) // a variable's name
}

// Secrets returns the secret parts of the user information of a URL: the password. A user without a password may be a
// secret too.
func Secrets(user string) []string {
	l := Parse(user)
	if !l.HasPassword {
		return []string{user, l.User}
	}
	_, password, _ := strings.Cut(user, ":")
	if l.User == "" || l.Password == "" || len(l.User) >= minSecretLength {
		return []string{user, password, l.Password, l.User, l.Basic()}
	}
	return []string{user, password, l.Password, l.Basic()}
}

// minSecretLength is the length from which on a user's name counts as a secret, as in
// https://TOKEN:x-oauth-basic@github.com.
const minSecretLength = 20

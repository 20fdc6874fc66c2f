package foreign

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// secret is the text in place of a secret. Package buildkit writes the same for the secrets of a build.
const secret = "[secret]"

// value is what follows a name and a sign: up to white space, a quote, a bracket or the next parameter. Characters that
// were spelled out are part of it.
const value = `(?:[^\s"'<>&\\…]|\\[xuU])+`

// literal is a value that is no variable and no command of a shell.
const literal = `(?:[^\s"'<>&\\…$]|\\[xuU])(?:[^\s"'<>&\\…]|\\[xuU])*`

// start is the beginning of a word.
const start = `(?:^|[^A-Za-z0-9_]|%26|\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U[0-9a-f]{8})`

// assigned is a sign between a name and its value, as it is, in a URL, or in JSON within a URL.
const assigned = `(?:=|%3[dD]|\\u003[dD])`

// patterns find secrets in the text of others. The regular expressions of Go take time in proportion to the text. One
// is tried only if the text contains one of its words, in lower case.
var patterns = []struct{ words, find, replace string }{
	// Logins in URLs. A user of SSH is no secret.
	{
		words:   `ssh://`,
		find:    `(?i)((?:ssh|git\+ssh)://[^\s/:@"'<>]*:)[^\s/@"'<>]+@`,
		replace: `${1}` + secret + `@`,
	},
	{
		words: `://`,
		find: `(?i)((?:https?|ftp|git|wss?|tcp|postgres(?:ql)?|mysql|redis|amqps?|` +
			`mongodb(?:\+srv)?)://)[^\s/?#"'<>]*@`,
		replace: `${1}` + secret + `@`,
	},
	// Parameters of signed URLs, whatever comes before them.
	{
		words: `x-amz- x-goog- accesskeyid accessid`,
		find: `(?i)((?:x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential)|` +
			`awsaccesskeyid|googleaccessid)` + assigned + `)` + value,
		replace: `${1}` + secret,
	},
	// Parameters with shorter names begin a word.
	{
		words: `sig token jwt secret passw api aws_`,
		find: `(?i)(` + start + `(?:sig|signature|token|jwt|access_token|refresh_token|id_token|identity_token|` +
			`client_secret|secret|password|passwd|api_?key|aws_access_key_id|aws_secret_access_key|aws_session_token)` +
			assigned + `["']?)` + value,
		replace: `${1}` + secret,
	},
	// Variables and longer names of parameters, such as GITHUB_TOKEN=. What a shell puts in, $(cat /run/secrets/x), is
	// no secret.
	{
		words:   `token _secret _passw`,
		find:    `(?i)(` + start + `[a-z0-9_]*(?:token|_secret|_password|_passwd)` + assigned + `["']?)` + literal,
		replace: `${1}` + secret,
	},
	{ // of Docker Hub's storage
		words:   `verify=`,
		find:    `([?&]verify=)` + value,
		replace: `${1}` + secret,
	},
	// Fields of JSON.
	{
		words: `token secret passw auth accesskey`,
		find: `(?i)(\\?"(?:[a-z_]*token|secret|client_secret|password|passwd|auth|authorization|` +
			`secretaccesskey|accesskeyid)\\?"\s*:\s*\\?")[^"\\…]+`,
		replace: `${1}` + secret,
	},
	// Headers, and the values of one.
	{
		words: `authorization`,
		find: `(?i)(authorization["']?\s*[:=]\s*["']?(?:bearer|basic|token|negotiate|digest|` +
			`aws4-hmac-sha256)\s+)` + value,
		replace: `${1}` + secret,
	},
	{
		words: `-token api-key`,
		find: `(?i)(` + start + `(?:x-[a-z0-9-]*(?:token|api-key)|(?:private|job|deploy)-token)` +
			`\\?["']?[ \t]*:[ \t]*\\?["']?)` +
			literal,
		replace: `${1}` + secret,
	},
	{
		words:   `bearer basic`,
		find:    `(?i)(` + start + `(?:bearer|basic)\s+)[A-Za-z0-9._~+/-]*[0-9+/=_~][A-Za-z0-9._~+/-]{7,}=*`,
		replace: `${1}` + secret,
	},
	// Tokens and keys that show what they are.
	{
		words:   `eyj`,
		find:    `eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)*`,
		replace: secret,
	},
	{
		words:   `akia asia abia acca`,
		find:    `(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}`,
		replace: secret,
	},
	{
		words:   `fwogzxivyxdz iqojb3jpz2lu`,
		find:    `(?:FwoGZXIvYXdz|IQoJb3JpZ2lu)[A-Za-z0-9+/=_%-]+`,
		replace: secret,
	},
	{
		words: `gh github_pat_ glpat- dckr_ npm_ pypi- xox pul- ya29.`,
		find: `(?:gh[pousr]_|github_pat_|glpat-|dckr_pat_|dckr_oat_|npm_[A-Za-z0-9]{20}|pypi-AgE|` +
			`xox[abeprs]-|pul-|ya29\.)[A-Za-z0-9_.-]{16,}`,
		replace: secret,
	},
	{
		words:   `aiza`,
		find:    `AIza[A-Za-z0-9_-]{30,}`,
		replace: secret,
	},
	{
		words:   `-----begin`,
		find:    `-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)`,
		replace: secret,
	},
}

// pattern is one of patterns, compiled.
type pattern struct {
	words   []string
	find    *regexp.Regexp
	replace string
}

var compiled = sync.OnceValue(func() (all []pattern) {
	for _, p := range patterns {
		all = append(all, pattern{words: strings.Fields(p.words), find: regexp.MustCompile(p.find), replace: p.replace})
	}
	return all
})

// withoutSecrets returns s with [secret] in place of signatures, tokens, keys and logins in known forms.
func withoutSecrets(s string) string {
	lower := strings.ToLower(s)
	for _, p := range compiled() {
		if slices.ContainsFunc(p.words, func(word string) bool { return strings.Contains(lower, word) }) {
			s = p.find.ReplaceAllString(s, p.replace)
		}
	}
	return s
}

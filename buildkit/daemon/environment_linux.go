package daemon

import (
	"slices"
	"strings"
)

// inheritedVariables are the environment variables that the keeper and the daemon inherit from the client, besides
// those that begin with XDG_: BuildKit and runc find the user's folders by them. They inherit no others: a plugin's
// environment holds the passphrase of the stack and the credentials of clouds.
var inheritedVariables = []string{
	"PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
}

// keepInherited returns the entries of environ that may be inherited. environ has the form of os.Environ.
func keepInherited(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return !slices.Contains(inheritedVariables, name) && !strings.HasPrefix(name, "XDG_")
	})
}

package buildkit

import (
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// addProxies gives the proxies to the frontend, which gives them to every step. It hides their logins from then on. It
// leaves out a proxy that a build argument sets in any case of its letters: the program has the last word.
//
// The frontend takes these arguments in any case of their letters, and steps get the variables in upper and lower case
// (proxyEnvFromBuildArgs of BuildKit). An ARG of the Dockerfile is told apart by case. The argument has a case that no
// Dockerfile has: the value of a declared argument would be in the history of the image, and a part of its digest.
func (s *solve) addProxies(options, proxies map[string]string) {
	for name, value := range proxies {
		if s.plan.HasProxyArg(name) {
			continue
		}
		if user := ProxyLogin(value); user != "" {
			s.secrets.redact.learn(value)
			for _, secret := range login.Secrets(user) {
				s.secrets.redact.learn(secret)
			}
		}
		options["build-arg:"+oddCase(name)] = value
	}
}

// ProxyLogin returns the user information in the URL of a proxy, which may lack the scheme, or "".
func ProxyLogin(proxy string) string {
	if !strings.Contains(proxy, "://") {
		proxy = "http://" + proxy
	}
	_, user, _ := login.Split(proxy)
	return user
}

// oddCase returns a name with its first letter in lower and the others in upper case.
func oddCase(name string) string {
	return strings.ToLower(name[:1]) + strings.ToUpper(name[1:])
}

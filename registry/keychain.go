package registry

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"
)

// Keychain finds credentials at the moment they are needed, for exactly the host that asks, and remembers none. It asks, in this order,
// the logins it was given, DOCKER_AUTH_CONFIG, and docker's config.json with its credential helpers. It prints as [keychain].
type Keychain struct {
	logins []Login
	// DockerConfig is the folder of docker's config.json. Empty means $DOCKER_CONFIG, and without it ~/.docker.
	DockerConfig string
}

// NewKeychain keeps logins; of two for one host the first counts. It reads nothing.
func NewKeychain(logins []Login) *Keychain {
	return &Keychain{logins: slices.Clone(logins)}
}

// Format implements fmt.Formatter: fmt would otherwise print the logins, since it asks no method of an unexported field.
func (k *Keychain) Format(f fmt.State, _ rune) { redact(f, "[keychain]") }

// Lookup finds the credential for host, an address in any form docker takes. The zero Credential means that there is none, which is no
// error. A configuration that cannot be read and a helper that fails are: what they hold is not known. A helper is killed when ctx ends,
// and after a minute.
func (k *Keychain) Lookup(ctx context.Context, host string) (Credential, error) {
	host = canonicalHost(host)
	for _, login := range k.logins {
		if login.Host() == host {
			return Credential{Username: login.Username, Password: login.Password}, nil
		}
	}
	found, err := environmentCredential(host)
	if err != nil || !found.Anonymous() {
		return found, err
	}
	return k.dockerCredential(ctx, host)
}

// environmentCredential reads DOCKER_AUTH_CONFIG, the auths of a config.json in a variable, as CI systems set it.
func environmentCredential(host string) (Credential, error) {
	text := os.Getenv(configfile.DockerEnvConfigKey)
	if text == "" {
		return Credential{}, nil
	}
	file, err := config.LoadFromReader(strings.NewReader(text))
	if err != nil {
		return Credential{}, fmt.Errorf(`credentials for %s: DOCKER_AUTH_CONFIG is not like {"auths":{"ghcr.io":{"auth":"..."}}}; `+
			`correct or unset it`, host)
	}
	return fileCredential(file.GetAuthConfigs(), host), nil
}

// dockerCredential asks the helper that config.json names for host, and the file itself where there is no helper or it has nothing.
func (k *Keychain) dockerCredential(ctx context.Context, host string) (Credential, error) {
	file, err := config.Load(k.dockerFolder())
	if err != nil {
		return Credential{}, fmt.Errorf("credentials for %s: %w; correct or remove that file", host, err)
	}
	helper := helperFor(file, host)
	if helper == "" {
		return fileCredential(file.GetAuthConfigs(), host), nil
	}
	found, err := askHelper(ctx, helper, host)
	if err != nil {
		return Credential{}, fmt.Errorf("credentials for %s: %w", host, err)
	}
	if found.Anonymous() {
		return fileCredential(file.GetAuthConfigs(), host), nil
	}
	return found, nil
}

// dockerFolder asks the environment each time: the library remembers its first answer.
func (k *Keychain) dockerFolder() string {
	for _, folder := range []string{k.DockerConfig, os.Getenv(config.EnvOverrideConfigDir)} {
		if folder != "" {
			return folder
		}
	}
	return config.Dir()
}

// helperFor is the suffix of the credential helper that is configured for host, or of the one for all hosts, or nothing.
func helperFor(file *configfile.ConfigFile, host string) string {
	for _, address := range slices.Sorted(maps.Keys(file.CredentialHelpers)) {
		if canonicalHost(address) == host {
			return file.CredentialHelpers[address]
		}
	}
	return file.CredentialsStore
}

// fileCredential is the entry for host in auths. An entry under the plain host comes before one under a URL or a path of it.
func fileCredential(auths map[string]types.AuthConfig, host string) Credential {
	if auth, found := auths[host]; found {
		return credentialOf(auth)
	}
	for _, address := range slices.Sorted(maps.Keys(auths)) {
		if canonicalHost(address) == host {
			return credentialOf(auths[address])
		}
	}
	return Credential{}
}

func credentialOf(auth types.AuthConfig) Credential {
	return Credential{Username: auth.Username, Password: auth.Password, IdentityToken: auth.IdentityToken}
}

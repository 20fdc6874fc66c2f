package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// cloudCredential asks the cloud whose registry host is.
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

// askClouds asks the cloud that host belongs to. The zero Credential means that there is no such cloud, or that it
// gives none.
func (k *Keychain) askClouds(ctx context.Context, clouds []cloud, host string) (Credential, error) {
	i := slices.IndexFunc(clouds, func(c cloud) bool { return c.has(host) })
	if i < 0 {
		return Credential{}, nil
	}
	found, err := askInTime(ctx, host, clouds[i].ask)
	k.logSource(ctx, host, clouds[i].source, found, err)
	return found, err
}

// newNoECRLogin returns the error of a private host of Amazon ECR without credentials. aws is the failure of AWS.
// docker is that of config.json, or nil where the file merely has none.
func newNoECRLogin(host string, aws, docker error) error {
	if docker != nil {
		text := fmt.Sprintf("%s; and %s", docker, aws)
		return fault.New(fault.Unexplained, text, fault.ErrUnauthorized, docker, aws)
	}
	text := fmt.Sprintf("credentials for %s: %s", host, aws)
	e := fault.New(fault.NoStoredLogin, text, fault.ErrUnauthorized, aws)
	e.Host = host
	return e
}

// storedCredential asks the sources that hold what somebody stored on this machine.
func (k *Keychain) storedCredential(ctx context.Context, host string) (Credential, error) {
	found, err := environmentCredential(host)
	k.logSource(ctx, host, configfile.DockerEnvConfigKey, found, err)
	if err != nil || !found.Anonymous() {
		return found, err
	}
	found, err = k.dockerCredential(ctx, host)
	if err != nil || !found.Anonymous() {
		return found, err
	}
	return k.askClouds(ctx, environment, host)
}

// dockerConfig reads docker's config.json. It returns an empty one when there is no such file. The error names the
// file.
func (k *Keychain) dockerConfig(ctx context.Context) (*configfile.ConfigFile, error) {
	path := filepath.Join(k.dockerFolder(), config.ConfigFileName)
	text, err := file.Read(ctx, path, file.LimitText)
	if errors.Is(err, fs.ErrNotExist) {
		return configfile.New(path), nil
	}
	if err != nil {
		return nil, fmt.Errorf("loading config file: %w", err)
	}
	stored, err := config.LoadFromReader(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("parsing config file (%s): %w", path, err)
	}
	return stored, nil
}

// dockerFolder returns the folder of config.json. It asks the environment each time: the library remembers its first
// answer.
func (k *Keychain) dockerFolder() string {
	for _, folder := range []string{k.DockerConfig, os.Getenv(config.EnvOverrideConfigDir)} {
		if folder != "" {
			return folder
		}
	}
	return config.Dir()
}

// environmentCredential reads DOCKER_AUTH_CONFIG, the auths of a config.json in a variable, as CI systems set it.
func environmentCredential(host string) (Credential, error) {
	text := os.Getenv(configfile.DockerEnvConfigKey)
	if text == "" {
		return Credential{}, nil
	}
	given, err := config.LoadFromReader(strings.NewReader(text))
	if err != nil {
		return Credential{}, fault.New(fault.DockerAuth,
			"credentials for "+host+`: DOCKER_AUTH_CONFIG is not like {"auths":{"ghcr.io":{"auth":"..."}}}`)
	}
	return fileCredential(given.GetAuthConfigs(), host), nil
}

// dockerCredential asks the helper that config.json names for host, and then the file itself.
func (k *Keychain) dockerCredential(ctx context.Context, host string) (Credential, error) {
	stored, err := k.dockerConfig(ctx)
	if err != nil {
		k.logSource(ctx, host, config.ConfigFileName, Credential{}, err)
		return Credential{}, fault.New(fault.DockerConfig, fmt.Sprintf("credentials for %s: %v", host, err), err)
	}
	if helper := helperFor(stored, host); helper != "" {
		found, err := k.helperCredential(ctx, helper, host)
		if err != nil || !found.Anonymous() {
			return found, err
		}
	}
	found := fileCredential(stored.GetAuthConfigs(), host)
	k.logSource(ctx, host, config.ConfigFileName, found, nil)
	return found, nil
}

// helperCredential asks a credential helper for the login to host.
func (k *Keychain) helperCredential(ctx context.Context, helper, host string) (Credential, error) {
	wait := Wait{Kind: WaitHelper, Host: host, Helper: helperProgram(helper)}
	end := k.Watch.begin(wait)
	found, err := askHelper(ctx, helper, host)
	end()
	k.logSource(ctx, host, helperProgram(helper), found, err)
	if err != nil && ctx.Err() != nil {
		return Credential{}, &waitError{wait: wait, cause: err}
	}
	if err != nil {
		return Credential{}, fmt.Errorf("credentials for %s: %w", host, err)
	}
	return found, nil
}

// helperFor returns the suffix of the credential helper for host, or else of the one for all hosts. It returns "" when
// config.json names neither.
func helperFor(stored *configfile.ConfigFile, host string) string {
	for _, address := range slices.Sorted(maps.Keys(stored.CredentialHelpers)) {
		if fault.CanonicalHost(address) == host {
			return stored.CredentialHelpers[address]
		}
	}
	return stored.CredentialsStore
}

// fileCredential returns the entry for host in auths. An entry under the plain host comes before one under a URL or a
// path of it.
func fileCredential(auths map[string]types.AuthConfig, host string) Credential {
	if auth, ok := auths[host]; ok {
		return credentialOf(auth)
	}
	for _, address := range slices.Sorted(maps.Keys(auths)) {
		if fault.CanonicalHost(address) == host {
			return credentialOf(auths[address])
		}
	}
	return Credential{}
}

func credentialOf(auth types.AuthConfig) Credential {
	return Credential{Username: auth.Username, Password: auth.Password, IdentityToken: auth.IdentityToken}
}

// Proxies returns the proxies that docker's config.json has for what builds at a Docker Engine, by the names of
// environment variables, such as HTTP_PROXY. host is the address of the engine; for any other, "" included, and for one
// without proxies of its own, they are the default ones.
//
// It returns an error for a file that cannot be read. A value may have a password.
func (k *Keychain) Proxies(ctx context.Context, host string) (map[string]string, error) {
	stored, err := k.dockerConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("proxies: %w", err)
	}
	config, ok := stored.Proxies[host]
	if !ok {
		config = stored.Proxies["default"]
	}
	found := map[string]string{}
	for name, value := range map[string]string{
		"HTTP_PROXY": config.HTTPProxy, "HTTPS_PROXY": config.HTTPSProxy, "NO_PROXY": config.NoProxy,
		"FTP_PROXY": config.FTPProxy, "ALL_PROXY": config.AllProxy,
	} {
		if value != "" {
			found[name] = value
		}
	}
	return found, nil
}

package registry

import (
	"context"
	"fmt"
)

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

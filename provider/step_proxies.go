package provider

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// stepProxies returns the proxies that Docker's configuration has for steps, as docker build takes them: those of the
// Docker Engine that builds, else the default ones. They are no inputs, because they belong to the machine.
//
// It warns, once in a run, if the configuration cannot be read, and of logins that the provenance would show.
func stepProxies(
	ctx context.Context, settings *settings, op operation, b builder, warn func(string),
) map[string]string {
	warnOnce := func(line string) {
		if settings.isFirst(line) {
			warn(line)
		}
	}
	host := ""
	if b.engine != nil {
		host = b.engine.Host
	}
	proxies, err := op.keychain.Proxies(ctx, host)
	if err != nil {
		warnOnce(fmt.Sprintf("steps get no proxy of the Docker configuration: %v", err))
		return nil
	}
	maps.DeleteFunc(proxies, func(name, _ string) bool { return op.plan.HasProxyArg(name) })
	if op.plan.Provenance != string(ProvenanceMax) {
		return proxies
	}
	var withLogin []string
	for _, name := range slices.Sorted(maps.Keys(proxies)) {
		if buildkit.ProxyLogin(proxies[name]) != "" {
			withLogin = append(withLogin, name)
			delete(proxies, name)
		}
	}
	if len(withLogin) > 0 {
		warnOnce(fmt.Sprintf("provenance: steps do not get %s of the Docker configuration, because a provenance with "+
			"mode max shows everybody the password in it: set mode to min, or use a proxy without a password",
			strings.Join(withLogin, ", ")))
	}
	return proxies
}

package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// explainNetwork adds to the error of a build what the network of steps has to do with it.
func explainNetwork(ctx context.Context, b builder, plan inputs.Plan, err error) error {
	switch {
	case err == nil:
		return nil
	case b.embedded != nil:
		return networkError(plan, err, b.embedded.ExitReason(ctx), b.embedded.OfflineReason())
	case b.container != nil:
		return engineNetworkError(plan, err, b.container.OfflineReason())
	}
	return err
}

// checkMachineNetwork returns an error if the plan wants for its steps the network of the machine. The daemon of an
// ordinary user gives it to none.
func checkMachineNetwork(b builder, plan inputs.Plan) error {
	if plan.Network != "host" || b.embedded == nil || !daemon.Rootless() {
		return nil
	}
	return errors.New("network: host: the embedded BuildKit daemon of an ordinary user gives steps a network of " +
		"their own or none. Leave network at its default, run pulumi as root (sudo -E pulumi up), or name another " +
		"builder in builder.endpoint")
}

// networkError adds a remedy if the embedded daemon has ended, for the reason ended. It also adds one if a step failed
// on a machine where steps have no network, for the reason offline.
func networkError(plan inputs.Plan, err, ended error, offline string) error {
	if ended != nil {
		return fmt.Errorf("the embedded BuildKit daemon ended during the build: %w. Run it again. The build itself "+
			"ended with: %w", ended, err)
	}
	if !isOfflineStep(plan, err, offline) {
		return err
	}
	if daemon.Rootless() {
		return fmt.Errorf("%w\nsteps have no network on this machine: %s. Run modprobe tun and chmod 666 /dev/net/tun "+
			"as root, or start a container with --device /dev/net/tun", err, offline)
	}
	return fmt.Errorf("%w\nsteps have no network on this machine: %s. Run modprobe tun, or start a container with "+
		"--device /dev/net/tun or --privileged; or set network: host, which gives steps the network of the machine",
		err, offline)
}

// engineNetworkError adds a remedy if a step failed in a Docker Engine where steps of our BuildKit have no network, for
// the reason offline.
func engineNetworkError(plan inputs.Plan, err error, offline string) error {
	if !isOfflineStep(plan, err, offline) {
		return err
	}
	return fmt.Errorf("%w\nsteps have no network in the Docker Engine: %s. Run modprobe tun on its machine; or set "+
		"network: host, which gives steps the network of that machine", err, offline)
}

// isOfflineStep tells whether a step failed that has no network although the plan gives it one, for the reason
// offline.
func isOfflineStep(plan inputs.Plan, err error, offline string) bool {
	step, ok := errors.AsType[*buildkit.StepError](err)
	return ok && step.ExitCode != 0 && plan.Network == "" && offline != ""
}

// warnOfProxies warns of build arguments, and of proxies of the Docker configuration, that name a proxy on the loopback
// of the machine, which steps do not reach.
func warnOfProxies(b builder, plan inputs.Plan, configured map[string]string, warn func(string)) {
	if b.embedded == nil && b.container == nil || plan.Network != "" {
		return
	}
	warnOf := func(source string, proxies map[string]string) {
		for _, name := range slices.Sorted(maps.Keys(proxies)) {
			if host, ok := loopbackProxy(name, proxies[name]); ok {
				warn(fmt.Sprintf("%s: %s names a proxy on %s, where steps reach only themselves: write another "+
					"address of this machine, on which the proxy must listen, or set network: host",
					source, name, host))
			}
		}
	}
	warnOf("buildArgs", plan.BuildArgs)
	warnOf("proxies of the Docker configuration", configured)
}

// loopbackProxy returns the host that a build argument names as a proxy, if it is on the machine's loopback.
func loopbackProxy(name, value string) (host string, ok bool) {
	switch strings.ToLower(name) {
	case "http_proxy", "https_proxy", "ftp_proxy", "all_proxy":
	default:
		return "", false
	}
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	proxy, err := url.Parse(value)
	if err != nil {
		return "", false
	}
	host = strings.ToLower(strings.TrimSuffix(proxy.Hostname(), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return host, true
	}
	addr, err := netip.ParseAddr(host)
	return host, err == nil && (addr.Unmap().IsLoopback() || addr.Unmap().IsUnspecified())
}

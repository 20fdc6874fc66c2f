package provider

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// gatewayLabel is the label by which the BuildKit of a Docker Engine tells the address of its machine (package
// builder-next/worker/label of the engine).
const gatewayLabel = "org.mobyproject.buildkit.worker.moby.host-gateway-ip"

// resolveGateway sets the address of each host that stands for the machine of the builder. It returns an error if the
// builder does not tell that address.
func (b *imageBuild) resolveGateway(ctx context.Context) error {
	hosts := b.op.plan.Hosts
	if !slices.ContainsFunc(hosts, func(h inputs.Host) bool { return h.Gateway }) {
		return nil
	}
	addresses, err := b.gatewayAddresses(ctx)
	if err != nil {
		return err
	}
	var resolved []inputs.Host
	for _, h := range hosts {
		if !h.Gateway {
			resolved = append(resolved, h)
			continue
		}
		for _, ip := range addresses {
			resolved = append(resolved, inputs.Host{Name: h.Name, IP: ip})
		}
	}
	b.op.plan.Hosts = resolved
	return nil
}

// gatewayAddresses returns the addresses of the builder's machine, one for IPv4 and perhaps one for IPv6.
func (b *imageBuild) gatewayAddresses(ctx context.Context) (addresses []netip.Addr, err error) {
	daemon, err := b.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = daemon.Close() }()
	workers, err := daemon.ListWorkers(ctx)
	if err != nil {
		return nil, err
	}
	for _, worker := range workers {
		for text := range strings.SplitSeq(worker.Labels[gatewayLabel], ",") {
			if ip, err := netip.ParseAddr(strings.TrimSpace(text)); err == nil && !slices.Contains(addresses, ip) {
				addresses = append(addresses, ip)
			}
		}
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("addHosts: %s: the builder at %s does not tell the address of its machine, as only a "+
			"Docker Engine that itself builds does. Write the address instead, or name such an engine in "+
			"builder.endpoint (docker://)", hostGateway, b.builder.endpoint)
	}
	return addresses, nil
}

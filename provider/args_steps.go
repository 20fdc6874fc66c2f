package provider

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

func (a *ImageArgs) describeSteps(an infer.Annotator) {
	an.Describe(&a.AddHosts, "Hosts that steps know beside those of DNS, each as `name:address`: `db:10.0.0.5`, `db:fd00::5`.")
	an.Describe(&a.Network, "The network of steps. By default each step of the provider's own daemon has a network of its own, which leads out and not "+
		"to the loopback of the machine or to its cloud's metadata; a builder of yours decides for itself.")
	an.Describe(&a.NoCache, "Whether an image that is built is built without the builder's cache, every step again. It is no reason to "+
		"build: to build the same inputs again, set `contextHash` by hand. Such an image has another digest each time, so that a preview "+
		"does not know it. Defaults to false.")
	an.Describe(&a.SSH, "What steps may sign in with over SSH: `RUN --mount=type=ssh`. Keys never leave this machine; a change is never a "+
		"reason to build.")
	an.Describe(&a.TestTargets, "Stages of the Dockerfile that are built, for every platform, before the image: when a step of one fails, "+
		"nothing is pushed. What they read of the build contexts counts as what the image reads.")
}

// NetworkMode is the network of steps.
type NetworkMode string

// The values of NetworkMode.
const (
	NetworkDefault NetworkMode = "default"
	NetworkHost    NetworkMode = "host"
	NetworkNone    NetworkMode = "none"
)

// Values are the values of the enum.
func (NetworkMode) Values() []infer.EnumValue[NetworkMode] {
	return []infer.EnumValue[NetworkMode]{
		{Name: "Default", Value: NetworkDefault, Description: "The builder's choice: with the provider's own daemon, a network of the step's own."},
		{Name: "Host", Value: NetworkHost, Description: "That of the machine of the builder, with all that listens on its loopback, the Pulumi engine " +
			"included, and the metadata of its cloud. The builder must allow it (the entitlement `network.host`)."},
		{Name: "None", Value: NetworkNone, Description: "None."},
	}
}

// SSH is what steps may sign in with.
type SSH struct {
	ID    string   `pulumi:"id"`
	Paths []string `pulumi:"paths,optional"`
}

// Annotate documents the type.
func (s *SSH) Annotate(an infer.Annotator) {
	an.Describe(s, "An SSH agent, or private keys, that steps may sign in with.")
	an.Describe(&s.ID, "The id by which a step mounts it: `RUN --mount=type=ssh,id=…`. `default` is that of a mount without one, and of git contexts.")
	an.Describe(&s.Paths, "Private keys without a passphrase, or the socket of one agent. Defaults to the agent that `SSH_AUTH_SOCK` names.")
}

// parseHost reads name:address or, as Docker does too, name=address; brackets around an address of IPv6 are allowed.
func parseHost(s string) (inputs.Host, error) {
	i := strings.IndexAny(s, ":=")
	if i > 0 {
		ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s[i+1:], "["), "]"))
		if err == nil && ip.Zone() == "" && !strings.ContainsAny(s[:i], " \t\n,\"") {
			return inputs.Host{Name: s[:i], IP: ip}, nil
		}
		if s[i+1:] == "host-gateway" {
			return inputs.Host{}, fmt.Errorf("%q: host-gateway is Docker Engine's own word, which BuildKit does not know: write the address", s)
		}
	}
	return inputs.Host{}, fmt.Errorf("%q is not a host: write name:address, as in db:10.0.0.5", s)
}

// hosts are those that are valid: Check refuses the others.
func (a ImageArgs) hosts() []inputs.Host {
	var hosts []inputs.Host
	for _, s := range a.AddHosts {
		if h, err := parseHost(s); err == nil {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// network is what BuildKit calls it: "" for the builder's own.
func (a ImageArgs) network() string {
	if mode := deref(a.Network); mode != NetworkDefault {
		return string(mode)
	}
	return ""
}

func (a ImageArgs) agents() []buildkit.SSHAgent {
	var agents []buildkit.SSHAgent
	for _, s := range a.SSH {
		agents = append(agents, buildkit.SSHAgent{ID: s.ID, Paths: s.Paths})
	}
	return agents
}

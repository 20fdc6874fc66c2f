package provider

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

func describeSteps(a *ImageArgs, an infer.Annotator) {
	an.Describe(&a.AddHosts, "Hosts that steps know besides those of DNS, each as `name:address`: `db:10.0.0.5`, "+
		"`db:fd00::5`, or with several addresses `db=10.0.0.5,fd00::5`. The address `host-gateway` stands for the "+
		"machine of a Docker Engine, if that engine itself builds.")
	an.Describe(&a.Network, "The network of steps. On the plugin's own daemon each step has its own network, "+
		"which does not lead to the machine's loopback or the cloud's metadata service. Another builder decides "+
		"for itself. Defaults to `default`.")
	an.Describe(&a.NoCache, "Whether to run every step again, without the builder's cache, if the image is "+
		"built. It never causes a build; to build the same inputs again, change `contextHash` yourself. Such an "+
		"image has another digest each time, so a preview does not know the digest. Defaults to false.")
	an.Describe(&a.NoCacheFilter, "Stages of the Dockerfile whose steps run again, as with `noCache`. The other "+
		"stages take what the builder has. It cannot be set with `noCache`.")
	an.Describe(&a.Allow, "What steps may do that a builder refuses by default: `network.host` for `RUN "+
		"--network=host`, `security.insecure` for `RUN --security=insecure`, `device` or `device=NAME` for `RUN "+
		"--device`. The builder must allow it too; the plugin's own daemon allows only `network.host`. A change never "+
		"causes a build.")
	an.Describe(&a.Limits, "Limits of what one step may use: memory, CPUs, shared memory and open files. Steps that "+
		"run at once have them each. A limit that the builder does not have is an error, except that some rootless "+
		"BuildKit daemons of others ignore what needs a cgroup. A frontend that `# syntax=` names may ignore a limit, "+
		"with a warning. A change never causes a build.")
	an.Describe(&a.SSH, "SSH agents and keys that steps may sign in with: `RUN --mount=type=ssh`. Keys never "+
		"leave this machine. A change never causes a build.")
	an.Describe(&a.TestTargets, "Stages of the Dockerfile to build before the image, for every platform. If a "+
		"step of one fails, nothing is pushed. The files that these stages read count as inputs of the image.")
}

// NetworkMode is the network of steps.
type NetworkMode string

// The values of NetworkMode.
const (
	NetworkDefault NetworkMode = "default"
	NetworkHost    NetworkMode = "host"
	NetworkNone    NetworkMode = "none"
)

// Values implements infer.Enum.
func (NetworkMode) Values() []infer.EnumValue[NetworkMode] {
	return []infer.EnumValue[NetworkMode]{
		{Name: "Default", Value: NetworkDefault, Description: "The builder's choice. On the plugin's own daemon, " +
			"each step has its own network."},
		{Name: "Host", Value: NetworkHost, Description: "The network of the builder's machine, with its loopback " +
			"(also the Pulumi engine's port) and the metadata service of its cloud. The builder must allow it (the " +
			"entitlement `network.host`)."},
		{Name: "None", Value: NetworkNone, Description: "No network."},
	}
}

// SSH is an agent, or keys, that steps may sign in with.
type SSH struct {
	ID    string   `pulumi:"id"`
	Paths []string `pulumi:"paths,optional"`
}

// Annotate documents the type.
func (s *SSH) Annotate(an infer.Annotator) {
	an.Describe(s, "An SSH agent, or private keys, that steps may sign in with.")
	an.Describe(&s.ID, "The id by which a step mounts it: `RUN --mount=type=ssh,id=…`. Mounts without an id, and "+
		"git contexts, use `default`.")
	an.Describe(&s.Paths, "Paths of private keys without a passphrase, or the socket of one agent. Defaults to "+
		"the agent that `SSH_AUTH_SOCK` names.")
}

// hostGateway stands for the machine of a Docker Engine.
const hostGateway = "host-gateway"

// parseHosts parses name:address or, like Docker, name=address, where several addresses are separated by commas. It
// accepts brackets around an IPv6 address.
func parseHosts(s string) (hosts []inputs.Host, err error) {
	wrong := fmt.Errorf("%q is not a host: write name:address, as in db:10.0.0.5", s)
	i := strings.IndexAny(s, ":=")
	if i <= 0 || strings.ContainsAny(s[:i], " \t\n,\"") {
		return nil, wrong
	}
	for address := range strings.SplitSeq(s[i+1:], ",") {
		if address == hostGateway {
			hosts = append(hosts, inputs.Host{Name: s[:i], Gateway: true})
			continue
		}
		ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(address, "["), "]"))
		if err != nil || ip.Zone() != "" {
			return nil, wrong
		}
		hosts = append(hosts, inputs.Host{Name: s[:i], IP: ip})
	}
	return hosts, nil
}

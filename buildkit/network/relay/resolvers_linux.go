package relay

import (
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/network"
)

// resolvers are the files that name those of the machine. They are read for each question, because they change with the
// networks that a machine is in.
type resolvers struct {
	file string
	// upstream names the resolvers behind one of systemd's. BuildKit shows these to steps when file names only that
	// one.
	upstream string
}

var machineResolvers = resolvers{file: "/etc/resolv.conf", upstream: "/run/systemd/resolve/resolv.conf"}

// public are the resolvers that BuildKit shows to steps when all of the machine's are on its loopback.
var public = []netip.Addr{
	netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("8.8.4.4"),
	netip.MustParseAddr("2001:4860:4860::8888"), netip.MustParseAddr("2001:4860:4860::8844"),
}

// local is the resolver of a machine that names none.
var local = netip.MustParseAddr("127.0.0.1")

// list returns the machine's resolvers, in the order in which they are asked. There is at least one.
func (r resolvers) list() []netip.Addr {
	if found := nameservers(r.file); len(found) > 0 {
		return found
	}
	return []netip.Addr{local}
}

// mean reports whether a step that asks addr means the machine's resolvers: addr is the relay's, one of theirs, or one
// that BuildKit shows instead of theirs.
func (r resolvers) mean(addr netip.Addr, subnets []netip.Prefix) bool {
	if slices.ContainsFunc(subnets, func(subnet netip.Prefix) bool { return network.RelayAddr(subnet) == addr }) {
		return true
	}
	same := func(other netip.Addr) bool { return other.WithZone("") == addr }
	listed := r.list()
	if slices.ContainsFunc(listed, same) {
		return !addr.IsLoopback()
	}
	if slices.ContainsFunc(listed, func(resolver netip.Addr) bool { return !resolver.IsLoopback() }) {
		return false
	}
	return slices.ContainsFunc(public, same) || slices.ContainsFunc(nameservers(r.upstream), same)
}

// nameservers returns those of a file in the form of resolv.conf(5). What cannot be read names none.
func nameservers(file string) []netip.Addr {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var found []netip.Addr
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if addr, err := netip.ParseAddr(fields[1]); err == nil {
			found = append(found, addr)
		}
	}
	return found
}

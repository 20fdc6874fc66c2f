package network

import (
	"net/netip"
	"testing"
)

func TestPickASubnetThatIsFree(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		taken []netip.Prefix
		want  string
	}{
		"nothing else":          {want: "192.0.2.0/30"},
		"a default route":       {taken: prefixes("0.0.0.0/0", "::/0"), want: "192.0.2.0/30"},
		"one of a VPN in parts": {taken: prefixes("0.0.0.0/1", "128.0.0.0/1"), want: "192.0.2.0/30"},
		"a network around it":   {taken: prefixes("192.0.2.0/24"), want: "198.51.100.0/30"},
		"an address within it":  {taken: prefixes("192.0.2.2/32", "198.51.100.3/32"), want: "203.0.113.0/30"},
		"a large network":       {taken: prefixes("192.0.0.0/8", "198.0.0.0/7", "203.0.0.0/8"), want: "10.254.77.0/30"},
	} {
		if got, ok := pick(candidates4, c.taken); !ok || got.String() != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
	taken := prefixes("192.0.0.0/8", "198.0.0.0/7", "203.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "100.64.0.0/10")
	if got, ok := pick(candidates4, taken); ok {
		t.Errorf("everything is taken, and it picks %v", got)
	}
	if got, ok := pick(candidates6, prefixes("::/0", "fd5c:9a1e:77b3::/48")); !ok ||
		got.String() != "fdb4:3d7:e6a2::/126" {
		t.Errorf("IPv6: %v", got)
	}
}

func TestAddressesOfASubnet(t *testing.T) {
	t.Parallel()
	for subnet, want := range map[string][2]string{
		"192.0.2.0/30":         {"192.0.2.1", "192.0.2.2"},
		"fd5c:9a1e:77b3::/126": {"fd5c:9a1e:77b3::1", "fd5c:9a1e:77b3::2"},
	} {
		prefix := netip.MustParsePrefix(subnet)
		if RelayAddr(prefix).String() != want[0] || StepAddr(prefix).String() != want[1] {
			t.Errorf("%s: %v and %v, want %v", subnet, RelayAddr(prefix), StepAddr(prefix), want)
		}
	}
}

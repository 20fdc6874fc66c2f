package registry

import (
	"net/netip"
	"testing"
)

func TestPlaceOf(t *testing.T) {
	t.Parallel()
	for at, addresses := range map[place][]string{
		public: {
			"8.8.8.8", "203.0.113.5", "2606:4700::1111", "64:ff9b::8.8.8.8", "2002:808:808::1", "::ffff:8.8.8.8",
			"100.63.255.255", "172.32.0.1",
		},
		private: {
			"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd12::1", "::ffff:10.0.0.1",
			"64:ff9b::10.0.0.1",
			"64:ff9b:1::192.168.0.1", "2002:a00:1::", "198.18.0.1", "fec0::1", "::10.0.0.1",
		},
		loopback: {
			"127.0.0.1", "127.255.255.254", "::1", "0.0.0.0", "0.1.2.3", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0",
			"64:ff9b::127.0.0.1",
			"2002:7f00:1::", "::127.0.0.1", "::ffff:0:127.0.0.1",
		},
		linkLocal: {
			"169.254.169.254", "169.254.170.2", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "fd20:ce::254",
			"fd00:42::42", "168.63.129.16", "100.100.100.200",
			"192.0.0.192", "::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::", "224.0.0.1",
			"255.255.255.255", "ff02::1",
		},
	} {
		for _, address := range addresses {
			if got := placeOf(netip.MustParseAddr(address)); got != at {
				t.Errorf("%s is %s, want %s", address, got, at)
			}
		}
	}
}

// TestRouteNotesTheLeastSensitivePlace holds that a registry does not count as on this machine if its name leads
// elsewhere by now.
func TestRouteNotesTheLeastSensitivePlace(t *testing.T) {
	t.Parallel()
	r := newRoute(nil, "registry.example.com", false, nil)
	if r.isLocated() || r.placeOfRegistry() != public {
		t.Errorf("at first it is %s", r.placeOfRegistry())
	}
	for _, step := range []struct {
		from string
		want place
	}{{"127.0.0.1:443", loopback}, {"10.0.0.5:443", private}, {"127.0.0.1:443", private}, {"[2606:4700::1]:443",
		public}, {"127.0.0.1:443", public}} {
		if r.note(step.from); r.placeOfRegistry() != step.want {
			t.Errorf("after %s it is %s, want %s", step.from, r.placeOfRegistry(), step.want)
		}
	}
	if named := newRoute(nil, "127.0.0.1:5000", false, nil); !named.isLocated() || named.placeOfRegistry() != loopback {
		t.Error("an address is where it is")
	}
}

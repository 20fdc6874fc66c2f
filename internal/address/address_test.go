package address_test

import (
	"net/netip"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/address"
)

func TestKindOf(t *testing.T) {
	t.Parallel()
	for kind, texts := range map[address.Kind][]string{
		address.Public: {
			"8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "169.253.1.1", "2606:4700::1111", "2001:db8::1",
			"::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
		},
		address.Private: {
			"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "198.18.0.1", "192.0.0.1",
			"fd00::1", "fec0::1",
			"::10.0.0.1", "::ffff:10.0.0.1", "64:ff9b:1::192.168.0.1", "2002:a00:1::",
		},
		address.Loopback: {
			"127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1",
			"::ffff:0.0.0.0",
			"::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::", "::1%lo",
		},
		address.LinkLocal: {
			"169.254.169.254", "169.254.170.2", "fe80::1", "fe80::1%eth0", "224.0.0.1", "ff02::1",
			"::ffff:169.254.169.254",
			"64:ff9b::169.254.169.254", "64:ff9b:1::169.254.169.254", "2002:a9fe:a9fe::",
		},
		address.Metadata: {
			"168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
			"fd00:42::42",
			"::ffff:168.63.129.16", "64:ff9b::192.0.0.192",
		},
		address.Group: {"224.0.1.1", "239.255.255.250", "240.0.0.1",
			"255.255.255.255", "ff0e::1", "::ffff:255.255.255.255"},
	} {
		for _, text := range texts {
			if got := address.KindOf(netip.MustParseAddr(text)); got != kind {
				t.Errorf("%s is of kind %d, want %d", text, got, kind)
			}
		}
	}
}

func TestEmbedded(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"::ffff:1.2.3.4": "1.2.3.4", "::1.2.3.4": "1.2.3.4", "::ffff:0:1.2.3.4": "1.2.3.4",
		"64:ff9b::1.2.3.4": "1.2.3.4", "64:ff9b:1::1.2.3.4": "1.2.3.4", "2002:102:304::1": "1.2.3.4", "1.2.3.4": "",
		"::": "", "::1": "", "2001:db8::1.2.3.4": "", "fe80::1.2.3.4": "",
	} {
		addr := netip.MustParseAddr(text)
		got, ok := address.Embedded(addr)
		switch {
		case ok != (want != ""), !ok && got != addr:
			t.Errorf("%s holds an address: %v (%s)", text, ok, got)
		case ok && got.String() != want:
			t.Errorf("%s holds %s, want %s", text, got, want)
		}
	}
}

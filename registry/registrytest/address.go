package registrytest

import (
	"net"
	"testing"
)

// OwnAddress returns an address of this machine that is not loopback. It skips the test when there is none.
func OwnAddress(t testing.TB) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() && ip.IP.To4() != nil {
			return ip.IP.String()
		}
	}
	t.Skip("NOT RUN: this machine has no address but loopback")
	return ""
}

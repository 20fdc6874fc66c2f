package provider

import (
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// A step that fills a tmpfs costs no cache, unless the disk of the daemon is nearly full, too.
func TestIsScarce(t *testing.T) {
	t.Parallel()
	const mega, giga = 1 << 20, 1 << 30
	for _, test := range []struct {
		size, free uint64
		want       bool
	}{
		{size: 100 * mega, free: 19 * mega, want: true},
		{size: 100 * mega, free: 21 * mega},
		{size: 50 * giga, free: 2 * giga, want: true},
		{size: 50 * giga, free: 9 * giga},
		{size: 10 * giga, free: giga - 1, want: true},
		{size: 10 * giga, free: giga},
		{size: 1000 * giga, free: 49 * giga, want: true},
		{size: 1000 * giga, free: 51 * giga},
	} {
		if got := isScarce(daemon.Disk{Size: test.size, Free: test.free, Known: true}); got != test.want {
			t.Errorf("%d of %d bytes are free: %t", test.free, test.size, got)
		}
	}
	if isScarce(daemon.Disk{}) {
		t.Error("a disk that nobody knows is scarce")
	}
}

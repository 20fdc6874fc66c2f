package mountinfo

import (
	"slices"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	table := "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n" +
		"23 22 0:5 / /srv/with\\040space\\011tab\\012line\\134040 rw shared:1 master:2 - tmpfs tmpfs rw\n" +
		"24 22 0:6 / /sys/fs/cgroup rw - cgroup2 a\\040-\\040b rw\n"
	want := []Mount{
		{Target: "/", FSType: "ext4"},
		{Target: "/srv/with space\ttab\nline\\040", FSType: "tmpfs"},
		{Target: "/sys/fs/cgroup", FSType: "cgroup2"},
	}
	if got, err := Parse(table); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v and %v, want %v", got, err, want)
	}
	if got, err := Parse(""); err != nil || got != nil {
		t.Errorf("an empty table: got %v and %v", got, err)
	}
}

func TestParseUnknownLines(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"\n", "22 1 254:0 / / rw ext4 /dev/vda rw\n", "22 1 254:0 / - ext4 /dev/vda rw\n"} {
		if got, err := Parse(line); err == nil {
			t.Errorf("%q: got %v", line, got)
		}
	}
}

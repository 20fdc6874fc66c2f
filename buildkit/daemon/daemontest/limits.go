package daemontest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// ShowLimits is a step of a Dockerfile on busybox. It writes into /limits what limits it has, with either version of
// cgroups: memory, quota of CPU time and CPUs, the size of /dev/shm in KiB, the soft and the hard limit of open files.
const ShowLimits = `RUN <<EOF
cd /sys/fs/cgroup
{
cat memory/memory.limit_in_bytes memory.max
cat cpu/cpu.cfs_quota_us cpu.max | cut -d' ' -f1
cat cpuset/cpuset.cpus cpuset.cpus
df -k /dev/shm | tail -n1 | awk '{print $2}'
ulimit -Sn
ulimit -Hn
} 2>/dev/null >/limits
EOF`

// RemoveCgroups removes the cgroups of steps in a parent, with either version of cgroups. A daemon leaves them, so the
// test fails if there are none.
func RemoveCgroups(t testing.TB, parent string) {
	t.Helper()
	removed := 0
	for _, pattern := range []string{"/sys/fs/cgroup/*/" + parent, "/sys/fs/cgroup/" + parent} {
		groups, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, group := range groups {
			if err := errors.Join(os.Remove(filepath.Join(group, "buildkit")), os.Remove(group)); err != nil {
				t.Error(err)
			}
			removed++
		}
	}
	if removed == 0 {
		t.Errorf("no step had a cgroup in %s", parent)
	}
}

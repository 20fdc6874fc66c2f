package inputs

import (
	"strconv"
	"strings"
)

// Limits bound what the processes of one step may use. A zero field is no limit. Limits are part of no image and of no
// hash. Each step has them for itself, so steps that run at once may use more together.
type Limits struct {
	Memory       int64    // bytes
	MemorySwap   int64    // bytes of memory and swap together; -1: swap has no limit
	CPUQuota     int64    // microseconds of CPU time in each CPUPeriod
	CPUShares    int64    // weight against other processes
	CPUSetCPUs   string   // CPUs to run on, such as "0-3,5"
	CPUSetMems   string   // memory nodes to use
	ShmSize      int64    // bytes of /dev/shm
	Ulimits      []string // sorted, each as name=soft:hard; -1: no limit
	CgroupParent string   // cgroup that holds the cgroups of steps
}

// CPUPeriod is the time, in microseconds, in which a step may use its CPUQuota.
const CPUPeriod = 100_000

// HasResources reports whether the memory or the CPUs of steps are limited. BuildKit can do that since v0.31.
func (l Limits) HasResources() bool {
	return l.Memory != 0 || l.MemorySwap != 0 || l.CPUQuota != 0 || l.CPUShares != 0 || l.CPUSetCPUs != "" ||
		l.CPUSetMems != ""
}

// NeedCgroup reports whether there is a limit that a daemon without cgroups cannot have.
func (l Limits) NeedCgroup() bool { return l.HasResources() || l.CgroupParent != "" }

// IsZero reports whether there is no limit.
func (l Limits) IsZero() bool {
	return !l.HasResources() && l.ShmSize == 0 && len(l.Ulimits) == 0 && l.CgroupParent == ""
}

// addOptions adds the frontend options of the limits.
func (l Limits) addOptions(options map[string]string) {
	limits := map[string]string{
		"memory":        formatLimit(l.Memory),
		"memswap":       formatLimit(l.MemorySwap),
		"cpuquota":      formatLimit(l.CPUQuota),
		"cpushares":     formatLimit(l.CPUShares),
		"cpusetcpus":    l.CPUSetCPUs,
		"cpusetmems":    l.CPUSetMems,
		"shm-size":      formatLimit(l.ShmSize),
		"ulimit":        strings.Join(l.Ulimits, ","), // no limit has a comma
		"cgroup-parent": l.CgroupParent,
	}
	if l.CPUQuota != 0 {
		limits["cpuperiod"] = strconv.Itoa(CPUPeriod)
	}
	for name, value := range limits {
		if value != "" {
			options[name] = value
		}
	}
}

// formatLimit returns the number, or "" for no limit.
func formatLimit(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

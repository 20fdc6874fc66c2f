package provider

import (
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/moby/buildkit/util/cpuset"
)

// Bounds of limits: those of Docker and of Linux. Below the smallest memory no process starts.
const (
	minMemory    = 6 << 20
	minCPUs      = 0.01
	maxCPUs      = cpuset.MaxCPU
	minCPUShares = 2
	maxCPUShares = 262144
)

// checkLimits checks the limits of steps. The builder, which is not known yet, may have fewer.
func checkLimits(c *checker) {
	l := c.args.Limits
	if l == nil {
		return
	}
	checkMemory(c, l)
	checkCPUs(c, l)
	if l.ShmSize != nil && c.knowsLimit("shmSize") {
		if _, err := parseSize(*l.ShmSize); err != nil {
			c.fail("limits.shmSize", "%v", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.Ulimits)) {
		if c.unknownAt(key("limits"), key("ulimits"), key(name)) {
			continue
		}
		if _, err := parseUlimit(name, l.Ulimits[name]); err != nil {
			c.fail(under("limits.ulimits", name), "%v", err)
		}
	}
	if l.CgroupParent != nil && c.knowsLimit("cgroupParent") {
		checkCgroupParent(c, *l.CgroupParent)
	}
}

// knowsLimit tells whether the value of a limit is known.
func (c *checker) knowsLimit(name string) bool { return !c.unknownAt(key("limits"), key(name)) }

// checkMemory checks the memory and the swap of steps.
func checkMemory(c *checker, l *Limits) {
	memory, memoryErr := parseSize(deref(l.Memory))
	if l.Memory != nil && c.knowsLimit("memory") {
		switch {
		case memoryErr != nil:
			c.fail("limits.memory", "%v", memoryErr)
		case memory < minMemory:
			c.fail("limits.memory", "%q is too little for a process to start: write 6m or more", *l.Memory)
		}
	}
	if l.MemorySwap == nil || !c.knowsLimit("memorySwap") {
		return
	}
	swap, err := parseSwap(*l.MemorySwap)
	switch {
	case err != nil:
		c.fail("limits.memorySwap", "%v", err)
	case l.Memory == nil && c.knowsLimit("memory"):
		c.fail("limits.memorySwap", "it is memory and swap together, and there is no memory: set memory too")
	case swap != -1 && memoryErr == nil && swap < memory:
		c.fail("limits.memorySwap", "%q is less than memory, which it includes: write as much or more", *l.MemorySwap)
	}
}

// checkCPUs checks the CPUs and the memory nodes of steps.
func checkCPUs(c *checker, l *Limits) {
	if n := l.CPUs; n != nil && c.knowsLimit("cpus") && (math.IsNaN(*n) || *n < minCPUs || *n > maxCPUs) {
		c.fail("limits.cpus", "%v is not a number of CPUs: write one from %v to %d, such as 1.5", *n, minCPUs, maxCPUs)
	}
	shares := l.CPUShares
	if shares != nil && c.knowsLimit("cpuShares") && (*shares < minCPUShares || *shares > maxCPUShares) {
		c.fail("limits.cpuShares", "%d is not a weight: write one from %d to %d", *shares, minCPUShares, maxCPUShares)
	}
	checkSet(c, "cpusetCpus", l.CPUSetCPUs)
	checkSet(c, "cpusetMems", l.CPUSetMems)
}

// checkSet checks a list of CPUs or memory nodes.
func checkSet(c *checker, name string, set *string) {
	if set == nil || !c.knowsLimit(name) {
		return
	}
	if numbers, err := cpuset.Parse(*set); err != nil || len(numbers) == 0 {
		c.fail("limits."+name, "%q is not a list of numbers: write it as in 0-3,5", *set)
	}
}

// checkCgroupParent checks the name of a cgroup.
func checkCgroupParent(c *checker, parent string) {
	if strings.Trim(parent, "/") == "" || slices.Contains(strings.Split(parent, "/"), "..") || hasControl(parent) {
		c.fail("limits.cgroupParent", "%q cannot be a cgroup: write its path below the root of cgroups, without .., "+
			"such as /builds", parent)
	}
}

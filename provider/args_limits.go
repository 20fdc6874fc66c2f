package provider

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// Limits bound what one step may use.
type Limits struct {
	Memory       *string           `pulumi:"memory,optional"`
	MemorySwap   *string           `pulumi:"memorySwap,optional"`
	CPUs         *float64          `pulumi:"cpus,optional"`
	CPUShares    *int              `pulumi:"cpuShares,optional"`
	CPUSetCPUs   *string           `pulumi:"cpusetCpus,optional"`
	CPUSetMems   *string           `pulumi:"cpusetMems,optional"`
	ShmSize      *string           `pulumi:"shmSize,optional"`
	Ulimits      map[string]string `pulumi:"ulimits,optional"`
	CgroupParent *string           `pulumi:"cgroupParent,optional"`
}

// Annotate documents the type.
func (l *Limits) Annotate(an infer.Annotator) {
	an.Describe(l, "Limits of what one step may use.")
	an.Describe(&l.Memory, "Memory, such as `512m` or `2g`. A step that needs more is killed. If two builds share a "+
		"step, the larger limit applies. Like all limits of memory and CPUs it needs BuildKit v0.31 that is not "+
		"rootless.")
	an.Describe(&l.MemorySwap, "Memory and swap together, such as `3g`, or `-1` for any amount of swap. It needs "+
		"`memory`. Defaults to the builder's choice.")
	an.Describe(&l.CPUs, "How many CPUs' worth of time, such as `1.5`.")
	an.Describe(&l.CPUShares, "The weight of a step when CPUs are busy, 2 to 262144. Others have 1024.")
	an.Describe(&l.CPUSetCPUs, "The CPUs to run on, such as `0-3,5`.")
	an.Describe(&l.CPUSetMems, "The memory nodes to use, such as `0,1`.")
	an.Describe(&l.ShmSize, "The size of `/dev/shm`, such as `128m`. A step whose base image has no `/dev` then "+
		"leaves no empty folder there, so the digest is another. Defaults to the builder's, which is `64m`.")
	an.Describe(&l.Ulimits, "Limits of each process by their names (`nofile`, `nproc`, `core` …), as `soft` or "+
		"`soft:hard`, such as `1024:2048`. `-1` is no limit. A step fails if the builder may not set its hard limit.")
	an.Describe(&l.CgroupParent, "The cgroup of the builder's machine that holds the cgroups of steps. The plugin's "+
		"own BuildKit refuses it, because it keeps its steps in a cgroup of its own. A rootless one has none.")
}

// plan returns the limits as BuildKit takes them. Check has refused wrong ones.
func (l *Limits) plan() inputs.Limits {
	if l == nil {
		return inputs.Limits{}
	}
	p := inputs.Limits{CPUShares: int64(deref(l.CPUShares)), CgroupParent: deref(l.CgroupParent)}
	p.Memory, _ = parseSize(deref(l.Memory))
	p.MemorySwap, _ = parseSwap(deref(l.MemorySwap))
	p.ShmSize, _ = parseSize(deref(l.ShmSize))
	p.CPUQuota = int64(math.Round(deref(l.CPUs) * inputs.CPUPeriod))
	p.CPUSetCPUs, p.CPUSetMems = deref(l.CPUSetCPUs), deref(l.CPUSetMems)
	for _, name := range slices.Sorted(maps.Keys(l.Ulimits)) {
		if limit, err := parseUlimit(name, l.Ulimits[name]); err == nil {
			p.Ulimits = append(p.Ulimits, limit)
		}
	}
	return p
}

// maxSize is a number of bytes that no machine has. It fits into 64 bits many times.
const maxSize = 1 << 60

// parseSize returns the number of bytes that a text such as "512m" stands for, with the units of Docker.
func parseSize(text string) (int64, error) {
	bytes, err := units.RAMInBytes(text)
	if err != nil || bytes <= 0 || bytes > maxSize {
		return 0, fmt.Errorf("%q is not a size: write a number above 0 with a unit, such as 512m or 2g", text)
	}
	return bytes, nil
}

// parseSwap returns what parseSize does, or -1 for no limit.
func parseSwap(text string) (int64, error) {
	if text == "-1" {
		return -1, nil
	}
	bytes, err := parseSize(text)
	if err != nil {
		err = fmt.Errorf("%w, or -1 for any amount of swap", err)
	}
	return bytes, err
}

// ulimitNames are the limits of processes that BuildKit knows.
var ulimitNames = []string{
	"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
	"rttime", "sigpending", "stack",
}

// parseUlimit returns a limit of processes in BuildKit's form: name=soft:hard. Without a hard limit the soft one is
// that too.
func parseUlimit(name, value string) (string, error) {
	if !slices.Contains(ulimitNames, name) {
		return "", fmt.Errorf("%q is no limit of processes: there are %s", name, strings.Join(ulimitNames, ", "))
	}
	softText, hardText, ok := strings.Cut(value, ":")
	if !ok {
		hardText = softText
	}
	soft, softErr := strconv.ParseInt(softText, 10, 64)
	hard, hardErr := strconv.ParseInt(hardText, 10, 64)
	if softErr != nil || hardErr != nil || soft < -1 || hard < -1 {
		return "", fmt.Errorf("%q is not a limit: write soft or soft:hard, such as 1024 or 1024:2048, and -1 for none",
			value)
	}
	if hard != -1 && (soft == -1 || soft > hard) {
		return "", fmt.Errorf("%q has a soft limit above the hard one: write the smaller one first", value)
	}
	return fmt.Sprintf("%s=%d:%d", name, soft, hard), nil
}

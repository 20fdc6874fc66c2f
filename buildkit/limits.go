package buildkit

import (
	"slices"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// LimitFault says why a daemon cannot limit steps.
type LimitFault int

// The faults of limits.
const (
	// LimitsNeedUpdate: the BuildKit of the daemon is too old for limits of memory and CPUs.
	LimitsNeedUpdate LimitFault = iota
	// LimitsUnknown: the BuildKit of the daemon is too old for another limit.
	LimitsUnknown
	// LimitsNeedLinux: the daemon runs steps on another system.
	LimitsNeedLinux
	// LimitsNeedRoot: the daemon is rootless, and leaves out what needs a cgroup.
	LimitsNeedRoot
)

// LimitError is a limit of steps that the daemon does not have. Without this error the daemon would run the steps
// without the limit.
type LimitError struct{ Fault LimitFault }

// Error says what the daemon cannot do.
func (e *LimitError) Error() string {
	switch e.Fault {
	case LimitsUnknown:
		return "the builder cannot limit steps so: its BuildKit is too old"
	case LimitsNeedLinux:
		return "the builder cannot limit what steps use: its steps do not run on Linux"
	case LimitsNeedRoot:
		return "the builder cannot limit the memory and the CPUs of steps, or choose their cgroup: it is rootless"
	}
	return "the builder cannot limit the memory and the CPUs of steps: its BuildKit is older than v0.31"
}

// checkLimits returns a *LimitError if the daemon with these options does not have one of the limits.
//
// BuildKit's frontend leaves out a limit that the daemon does not know, without an error. A rootless daemon does the
// same with all that needs a cgroup (util/rootless/specconv). Only some rootless daemons can be told from others.
func checkLimits(limits inputs.Limits, daemon gateway.BuildOpts) error {
	switch {
	case limits.IsZero():
		return nil
	case slices.ContainsFunc(daemon.Workers, isNotLinux):
		return &LimitError{Fault: LimitsNeedLinux}
	case limits.NeedCgroup() && slices.ContainsFunc(daemon.Workers, hasNoProcessSandbox):
		return &LimitError{Fault: LimitsNeedRoot}
	case limits.HasResources() && daemon.LLBCaps.Supports(pb.CapExecMetaLinuxResources) != nil:
		return &LimitError{Fault: LimitsNeedUpdate}
	}
	for capability, isUsed := range map[apicaps.CapID]bool{
		pb.CapExecMountTmpfsSize:   limits.ShmSize != 0,
		pb.CapExecMetaUlimit:       len(limits.Ulimits) > 0,
		pb.CapExecMetaCgroupParent: limits.CgroupParent != "",
	} {
		if isUsed && daemon.LLBCaps.Supports(capability) != nil {
			return &LimitError{Fault: LimitsUnknown}
		}
	}
	return nil
}

// isNotLinux reports whether a worker runs steps of another system. The first platform of a worker is its own.
func isNotLinux(worker gateway.WorkerInfo) bool {
	return len(worker.Platforms) > 0 && worker.Platforms[0].OS != "linux"
}

// hasNoProcessSandbox reports whether the steps of a worker share its PID namespace. Only a rootless daemon has such a
// worker.
func hasNoProcessSandbox(worker gateway.WorkerInfo) bool {
	return worker.Labels["org.mobyproject.buildkit.worker.oci.process-mode"] == "no-sandbox"
}

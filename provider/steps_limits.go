package provider

import (
	"errors"
	"fmt"
	"strings"

	"github.com/docker/go-units"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// limitRemedies are the remedies for limits that a builder does not have.
var limitRemedies = map[buildkit.LimitFault]string{
	buildkit.LimitsNeedUpdate: "Update the builder to BuildKit v0.31 or later, build on another one " +
		"(builder.endpoint), or leave out memory, memorySwap, cpus, cpuShares, cpusetCpus and cpusetMems",
	buildkit.LimitsUnknown: "Update the builder, build on another one (builder.endpoint), or leave out shmSize, " +
		"ulimits and cgroupParent",
	buildkit.LimitsNeedLinux: "Build on a builder that runs Linux (builder.endpoint), or leave limits out",
	buildkit.LimitsNeedRoot: "Build on one that runs as root (builder.endpoint), or leave out all but shmSize and " +
		"ulimits",
}

// checkBuilderLimits returns an error if the builder is known not to have one of the limits.
//
// A step of our daemon in another cgroup would escape the one that the daemon removes, with all processes in it, at its
// start. It would also leave the limits of whatever the daemon runs in.
func checkBuilderLimits(b builder, limits inputs.Limits) error {
	switch {
	case b.rootless && b.isEmbedded() && limits.NeedCgroup():
		return errors.New("limits: the embedded BuildKit daemon of an ordinary user cannot limit the memory and the " +
			"CPUs of steps, or choose their cgroup. Run pulumi as root (sudo -E pulumi up), build on another builder " +
			"(builder.endpoint), or leave out all but shmSize and ulimits")
	case b.rootless && limits.NeedCgroup():
		return explainBuild(&buildkit.LimitError{Fault: buildkit.LimitsNeedRoot})
	case (b.isEmbedded() || b.container != nil) && limits.CgroupParent != "":
		return errors.New("limits.cgroupParent: the plugin's own BuildKit keeps its steps in a cgroup of its own, " +
			"which they must not leave. Leave cgroupParent out, or build on another builder (builder.endpoint)")
	}
	return nil
}

// explainLimits adds a remedy to the error of a step that failed because of its limits: it ran out of memory, or the
// builder's machine does not have a limit.
func explainLimits(limits inputs.Limits, err error) error {
	step, ok := errors.AsType[*buildkit.StepError](err)
	switch {
	case !ok || limits.IsZero():
		return err
	case step.NoMemory && limits.Memory != 0:
		return withLines(err, fmt.Sprintf("limits.memory lets a step use %s: raise it, or let the step use less",
			units.BytesSize(float64(limits.Memory))))
	}
	return withLines(err, refusedLimitRemedy(step.Output))
}

// refusedLimitRemedy returns the remedy for a limit that runc could not set, or "". What runc says stands in the output
// of the step.
func refusedLimitRemedy(output []string) string {
	for _, line := range output {
		reason, ok := strings.CutPrefix(line, "runc run failed: unable to start container process: ")
		switch {
		case !ok:
		case strings.Contains(reason, "error setting rlimit"):
			return "limits.ulimits: the builder may not raise a hard limit above its own: lower it"
		case strings.Contains(reason, "cgroup"):
			return "limits: the builder's machine does not have them: lower cpusetCpus or cpusetMems, or leave out " +
				"what its cgroups do not have"
		}
	}
	return ""
}

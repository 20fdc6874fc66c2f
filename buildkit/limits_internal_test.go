package buildkit

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	apicapspb "github.com/moby/buildkit/util/apicaps/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// TestCheckLimits checks what daemons of several kinds say to each limit.
func TestCheckLimits(t *testing.T) {
	t.Parallel()
	type daemon = gateway.BuildOpts
	build := func(system, mode string, capabilities ...apicaps.CapID) daemon {
		caps := make([]*apicapspb.APICap, len(capabilities))
		for i, id := range capabilities {
			caps[i] = &apicapspb.APICap{ID: string(id), Enabled: true}
		}
		return daemon{LLBCaps: pb.Caps.CapSet(caps), Workers: []gateway.WorkerInfo{{
			Labels:    map[string]string{"org.mobyproject.buildkit.worker.oci.process-mode": mode},
			Platforms: []ocispecs.Platform{{OS: system, Architecture: "amd64"}},
		}}}
	}
	old := []apicaps.CapID{pb.CapExecMountTmpfsSize, pb.CapExecMetaUlimit, pb.CapExecMetaCgroupParent}
	recent := append([]apicaps.CapID{pb.CapExecMetaLinuxResources}, old...)
	daemons := []daemon{
		build("linux", "sandbox", recent...), build("linux", "no-sandbox", recent...), build("windows", "", recent...),
		build("linux", "sandbox", old...), build("linux", "sandbox"),
	}
	const none = LimitFault(-1)
	const update, unknown, linux, root = LimitsNeedUpdate, LimitsUnknown, LimitsNeedLinux, LimitsNeedRoot
	resource := []LimitFault{none, root, linux, update, update}
	process := []LimitFault{none, none, linux, none, unknown}
	for name, c := range map[string]struct {
		limits inputs.Limits
		want   []LimitFault // of each daemon
	}{
		"no limit":       {inputs.Limits{}, []LimitFault{none, none, none, none, none}},
		"memory":         {inputs.Limits{Memory: 1}, resource},
		"swap":           {inputs.Limits{MemorySwap: -1}, resource},
		"CPU time":       {inputs.Limits{CPUQuota: 1}, resource},
		"CPU weight":     {inputs.Limits{CPUShares: 2}, resource},
		"CPUs":           {inputs.Limits{CPUSetCPUs: "0"}, resource},
		"memory nodes":   {inputs.Limits{CPUSetMems: "0"}, resource},
		"shared memory":  {inputs.Limits{ShmSize: 1}, process},
		"open files":     {inputs.Limits{Ulimits: []string{"nofile=1:1"}}, process},
		"another cgroup": {inputs.Limits{CgroupParent: "a"}, []LimitFault{none, root, linux, none, unknown}},
	} {
		for i, want := range c.want {
			got, err := none, checkLimits(c.limits, daemons[i])
			if limit, ok := errors.AsType[*LimitError](err); ok {
				got = limit.Fault
			}
			if got != want {
				t.Errorf("%s: daemon %d: %v", name, i, err)
			}
		}
	}
}

// TestStepErrorWithoutMemory checks how a failed step shows that memory ran out: by its exit code, or by the daemon's
// text.
func TestStepErrorWithoutMemory(t *testing.T) {
	t.Parallel()
	for want, exit := range map[string]*gatewaypb.ExitError{
		"exit code 2":                 {ExitCode: 2},
		"exit code 2: memory ran out": {ExitCode: 2, Err: syscall.ENOMEM},
		"exit code 137: killed, most often because memory ran out": {ExitCode: 137},
	} {
		e := &StepError{}
		e.describe(&stepState{}, fmt.Errorf("process \"make\" did not complete successfully: %w", exit), &redaction{})
		if got := e.outcome(); got != want || e.NoMemory != (want != "exit code 2") {
			t.Errorf("%+v: %s, no memory: %v", exit, got, e.NoMemory)
		}
	}
}

package provider

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

func TestCheckOfLimits(t *testing.T) {
	t.Parallel()
	const size = "is not a size: write a number above 0 with a unit, such as 512m or 2g"
	cases := map[string]struct{ limits, path, reason string }{
		"no size":           {`"memory": "much"`, "memory", `"much" ` + size},
		"nothing":           {`"memory": ""`, "memory", `"" ` + size},
		"zero":              {`"memory": "0"`, "memory", size},
		"below zero":        {`"memory": "-1"`, "memory", size},
		"beyond 64 bits":    {`"memory": "99999999p"`, "memory", size},
		"too little":        {`"memory": "1m"`, "memory", "write 6m or more"},
		"swap is no size":   {`"memory": "1g", "memorySwap": "-2"`, "memorySwap", "or -1 for any amount of swap"},
		"swap alone":        {`"memorySwap": "1g"`, "memorySwap", "set memory too"},
		"swap below memory": {`"memory": "2g", "memorySwap": "1g"`, "memorySwap", "less than memory"},
		"no CPU":            {`"cpus": 0`, "cpus", "0 is not a number of CPUs: write one from 0.01 to 8192"},
		"too many CPUs":     {`"cpus": 10000`, "cpus", "10000 is not a number of CPUs"},
		"no weight":         {`"cpuShares": 1`, "cpuShares", "1 is not a weight: write one from 2 to 262144"},
		"half a weight":     {`"cpuShares": 2.5`, "cpuShares", "it must be a whole number"},
		"no set":            {`"cpusetCpus": ""`, "cpusetCpus", "write it as in 0-3,5"},
		"a reversed set":    {`"cpusetCpus": "3-1"`, "cpusetCpus", "write it as in 0-3,5"},
		"no nodes":          {`"cpusetMems": "all"`, "cpusetMems", "write it as in 0-3,5"},
		"no shared memory":  {`"shmSize": "0"`, "shmSize", size},
		"no such ulimit":    {`"ulimits": {"files": "1"}`, "ulimits.files", "there are core, cpu, data"},
		"no number":         {`"ulimits": {"nofile": "many"}`, "ulimits.nofile", "write soft or soft:hard"},
		"three numbers":     {`"ulimits": {"nofile": "1:2:3"}`, "ulimits.nofile", "write soft or soft:hard"},
		"two ulimits":       {`"ulimits": {"nofile": "1,core=1"}`, "ulimits.nofile", "write soft or soft:hard"},
		"below none":        {`"ulimits": {"nofile": "-2"}`, "ulimits.nofile", "write soft or soft:hard"},
		"soft above hard":   {`"ulimits": {"nofile": "2:1"}`, "ulimits.nofile", "write the smaller one first"},
		"soft without end":  {`"ulimits": {"nofile": "-1:1"}`, "ulimits.nofile", "write the smaller one first"},
		"no cgroup":         {`"cgroupParent": "/"`, "cgroupParent", "such as /builds"},
		"a cgroup outside":  {`"cgroupParent": "a/../../b"`, "cgroupParent", "without .."},
		"no such limit":     {`"gpus": 1`, "gpus", "there is no such property here"},
		"a secret":          {`"memory": "secret:hunter2"`, "memory", "the value is a secret"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantOneFailure(t, `{"context": {"location": "APP"}, "limits": {`+c.limits+`}}`, "limits."+c.path, c.reason)
		})
	}
}

func TestCheckReportsAllLimitsAtOnce(t *testing.T) {
	t.Parallel()
	res := runCheck(t, `{"context": {"location": "APP"}, "limits": {"memory": "a", "memorySwap": "b", "cpus": -1,
		"cpuShares": 0, "cpusetCpus": "c", "cpusetMems": "d", "shmSize": "e", "ulimits": {"f": "1", "nofile": "g"},
		"cgroupParent": ""}}`)
	var paths []string
	for _, failure := range res.Failures {
		paths = append(paths, strings.TrimPrefix(failure.Property, "limits."))
	}
	want := []string{
		"memory", "memorySwap", "cpus", "cpuShares", "cpusetCpus", "cpusetMems", "shmSize", "ulimits.f",
		"ulimits.nofile", "cgroupParent",
	}
	if !slices.Equal(paths, want) {
		t.Errorf("got %v\nwant %v", paths, want)
	}
}

// A change of a limit, or an unknown limit, is no update and gives no other hash. No preview builds without the value.
func TestLimitsAreNotWatchedOrHashed(t *testing.T) {
	t.Parallel()
	before := runCheck(t, `{"context": {"location": "APP"}}`).Inputs
	args, _, err := decode(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	for limits, known := range map[string]bool{
		`{}`: true, `{"memory": "2g", "memorySwap": "-1"}`: true, `{"cpus": 1.5, "cpuShares": 2}`: true,
		`{"cpusetCpus": "0-3,5", "cpusetMems": "0"}`: true, `{"shmSize": "1 GiB"}`: true,
		`{"cgroupParent": "a/b"}`:                                      true,
		`{"ulimits": {"nofile": "10:-1", "core": "0", "nproc": "-1"}}`: true,
		`"?"`: false, `{"memory": "?", "memorySwap": "1g"}`: false, `{"cpus": "?", "memory": "1g"}`: false,
		`{"ulimits": "?"}`: false, `{"ulimits": {"nofile": "?"}}`: false, `{"cgroupParent": "?"}`: false,
		`{"memory": "1g", "memorySwap": "?"}`: false,
	} {
		res := runCheck(t, `{"context": {"location": "APP"}, "limits": `+limits+`}`)
		if len(res.Failures) > 0 || isKnown(res.Inputs, buildInputs...) != known {
			t.Errorf("%s: failures %v", limits, res.Failures)
		}
		if text(res.Inputs, "contextHash") != text(before, "contextHash") {
			t.Errorf("%s: another contextHash", limits)
		}
		after, _, err := decode(t.Context(), res.Inputs)
		if err != nil || inputsHash(after) != inputsHash(args) {
			t.Errorf("%s: another hash of the inputs, %v", limits, err)
		}
		wanted := res.Inputs.Set("context", before.Get("context"))
		diff, err := serve(t).Diff(p.DiffRequest{ID: "app", Urn: urn, State: repeatedInputs(before), Inputs: wanted})
		if err != nil || diff.HasChanges {
			t.Errorf("%s: %v, %v", limits, diff, err)
		}
	}
}

func TestPlanOfLimits(t *testing.T) {
	t.Parallel()
	args, _, err := decode(t.Context(), props(t, `{"limits": {"memory": "2g", "memorySwap": "-1", "cpus": 1.5,
		"cpuShares": 512, "cpusetCpus": "0-3,5", "cpusetMems": "0", "shmSize": "1.5 MiB", "cgroupParent": "/builds",
		"ulimits": {"nofile": "1024:2048", "core": "0", "nproc": "5:-1"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := inputs.Limits{
		Memory: 2 << 30, MemorySwap: -1, CPUQuota: 150_000, CPUShares: 512, CPUSetCPUs: "0-3,5", CPUSetMems: "0",
		ShmSize: 3 << 19, Ulimits: []string{"core=0:0", "nofile=1024:2048", "nproc=5:-1"}, CgroupParent: "/builds",
	}
	if got := args.plan(nil).Limits; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if got := (ImageArgs{}).plan(nil).Limits; !got.IsZero() {
		t.Errorf("without limits: %+v", got)
	}
}

// Each fault of limits has a remedy.
func TestExplainLimits(t *testing.T) {
	t.Parallel()
	for fault, want := range map[buildkit.LimitFault]string{
		buildkit.LimitsNeedUpdate: "limits: the builder cannot limit the memory and the CPUs of steps: its " +
			"BuildKit is older than v0.31. Update the builder to BuildKit v0.31 or later",
		buildkit.LimitsUnknown: "limits: the builder cannot limit steps so: its BuildKit is too old. Update the " +
			"builder",
		buildkit.LimitsNeedLinux: "limits: the builder cannot limit what steps use: its steps do not run on Linux. " +
			"Build on a builder that runs Linux",
		buildkit.LimitsNeedRoot: "limits: the builder cannot limit the memory and the CPUs of steps, or choose their " +
			"cgroup: it is rootless. Build on one that runs as root",
	} {
		if got := explainBuild(&buildkit.LimitError{Fault: fault}).Error(); !strings.HasPrefix(got, want) {
			t.Errorf("got %s", got)
		}
	}
	ignored := &buildkit.IgnoredLimitsError{Frontend: "docker/dockerfile:1-labs", Steps: 1}
	want := "limits: the frontend docker/dockerfile:1-labs does not know every one of them: 1 step runs without. " +
		"Leave out the # syntax= line, or name a newer version there"
	if got := warningText(buildkit.Event{Text: ignored.Error(), Warning: ignored}); got != want {
		t.Errorf("got %s", got)
	}
}

// A builder that is known not to have a limit refuses it before the build.
func TestCheckBuilderLimits(t *testing.T) {
	t.Parallel()
	lease := &daemon.Lease{}
	memory, parent := inputs.Limits{Memory: 1 << 30}, inputs.Limits{CgroupParent: "/builds"}
	process := inputs.Limits{ShmSize: 1, Ulimits: []string{"nofile=1:1"}}
	const root, cgroup = "limits: the embedded BuildKit daemon of an ordinary user", "limits.cgroupParent: "
	const other = "limits: the builder cannot"
	for name, c := range map[string]struct {
		builder         builder
		memory, another string // the beginnings of the errors
	}{
		"the embedded daemon":         {builder: builder{embedded: lease}, another: cgroup},
		"that of an ordinary user":    {builder{embedded: lease, rootless: true}, root, root},
		"ours in a container":         {builder: builder{container: &engine.Builder{}}, another: cgroup},
		"a rootless Docker Engine":    {builder{rootless: true}, other, other},
		"another daemon or an engine": {},
	} {
		for want, err := range map[*string]error{
			&c.memory: checkBuilderLimits(c.builder, memory), &c.another: checkBuilderLimits(c.builder, parent),
			new(""): checkBuilderLimits(c.builder, process),
		} {
			if (err == nil) != (*want == "") || err != nil && !strings.HasPrefix(err.Error(), *want) {
				t.Errorf("%s: %v, want %q", name, err, *want)
			}
		}
	}
}

// If runc does not start a step for want of a limit, a remedy names the input.
func TestExplainRefusedLimits(t *testing.T) {
	t.Parallel()
	const start = "runc run failed: unable to start container process: "
	const machine = "\nlimits: the builder's machine does not have them: lower cpusetCpus or cpusetMems, or leave " +
		"out what its cgroups do not have"
	limits := inputs.Limits{CPUSetCPUs: "99", Ulimits: []string{"nofile=2000000000:2000000000"}}
	for output, want := range map[string]string{
		start + `unable to apply cgroup configuration: failed to write "99": numerical result out of range`: machine,
		start + "error during container init: error setting rlimits for ready process: error setting rlimit type 7: " +
			"operation not permitted": "\nlimits.ulimits: the builder may not raise a hard limit above its own: " +
			"lower it",
		"error setting rlimit type 7":                          "",
		start + "exec: \"/bin/sh\": no such file or directory": "",
	} {
		step := &buildkit.StepError{ExitCode: 1, Output: []string{output}}
		if got := explainLimits(limits, step).Error(); got != step.Error()+want {
			t.Errorf("got %s\nwant %s", got, step.Error()+want)
		}
		if got := explainLimits(inputs.Limits{}, step); !errors.Is(got, step) || got.Error() != step.Error() {
			t.Errorf("without limits: %v", got)
		}
	}
}

func TestExplainLackOfMemory(t *testing.T) {
	t.Parallel()
	killed := &buildkit.StepError{ExitCode: 137, NoMemory: true}
	limits := inputs.Limits{Memory: 512 << 20}
	want := killed.Error() + "\nlimits.memory lets a step use 512MiB: raise it, or let the step use less"
	if got := explainLimits(limits, fmt.Errorf("%w", killed)); got.Error() != want {
		t.Errorf("got %v", got)
	}
	for _, err := range []error{killed, errors.New("other"), nil} {
		if got := explainLimits(inputs.Limits{ShmSize: 1}, err); !errors.Is(got, err) {
			t.Errorf("%v became %v", err, got)
		}
	}
}

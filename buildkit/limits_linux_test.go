package buildkit_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

func TestStepsHaveTheirLimits(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	plan := s.plan(t, daemontest.ShowLimits)
	const parent = "pulumi-buildkit-steps-limits-test"
	t.Cleanup(func() { daemontest.RemoveCgroups(t, parent) })
	plan.Limits = inputs.Limits{
		Memory: 64 << 20, MemorySwap: 128 << 20, CPUQuota: 150_000, CPUShares: 512, CPUSetCPUs: "0", CPUSetMems: "0",
		ShmSize: 3 << 20, Ulimits: []string{"nofile=100:200", "nproc=1000:1000"}, CgroupParent: parent,
	}
	const want = "67108864 150000 0 3072 100 200"
	if got := strings.Join(strings.Fields(s.fileContent(t, s.mustBuild(t, plan), "limits")), " "); got != want {
		t.Errorf("a step has the limits %s, want %s", got, want)
	}
}

// A daemon takes a step of other limits from its cache, or runs it again. The image has the same digest either way.
//
// The base image has /dev, as most do. Where it is missing, runc leaves an empty one in the image, but not with
// shmSize.
func TestLimitsAreNoPartOfTheImage(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	plan := s.plan(t, "WORKDIR /dev\nWORKDIR /\nRUN echo made >/made")
	plan.Epoch, plan.Platforms = new(int64), []string{"linux/amd64"}
	digest, hash := s.mustBuild(t, plan).Digest, loadHash(t, plan)
	const parent = "pulumi-buildkit-limits-test"
	t.Cleanup(func() { daemontest.RemoveCgroups(t, parent) })
	for _, limits := range []inputs.Limits{
		{Memory: 64 << 20}, {CPUQuota: 50_000}, {ShmSize: 1 << 20}, {Ulimits: []string{"nofile=100:100"}},
		{CgroupParent: parent},
	} {
		plan.Limits = limits
		if got := loadHash(t, plan); got != hash {
			t.Errorf("%+v: the hash is %s, was %s", limits, got, hash)
		}
		if got := s.mustBuild(t, plan).Digest; got != digest {
			t.Errorf("%+v: the digest is %s, was %s", limits, got, digest)
		}
	}
}

func TestStepBeyondItsMemoryFails(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	plan := s.plan(t, "RUN x=$(head -c 100000000 /dev/zero | tr '\\0' x) && echo ${#x}")
	s.mustBuild(t, plan)
	plan.NoCache, plan.Limits = true, inputs.Limits{Memory: 16 << 20, MemorySwap: 16 << 20}
	_, err := s.solve(t.Context(), plan, buildkit.Access{})
	step, ok := errors.AsType[*buildkit.StepError](err)
	if !ok || !step.NoMemory || !strings.Contains(err.Error(), "memory ran out") {
		t.Errorf("got %v", err)
	}
}

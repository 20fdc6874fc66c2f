package buildkit

import (
	"context"
	"fmt"
	"slices"
	"sync"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// IgnoredLimitsError says that steps run without a limit, because the frontend left it out.
type IgnoredLimitsError struct {
	Frontend string // that the build asks for; "" for the one that the builder has itself
	Steps    int    // that run without
}

// Error names the frontend.
func (e *IgnoredLimitsError) Error() string {
	name := "the builder's frontend"
	if e.Frontend != "" {
		name = "the frontend " + e.Frontend
	}
	if e.Steps == 1 {
		return name + " does not know every one of them: 1 step runs without"
	}
	return fmt.Sprintf("%s does not know every one of them: %d steps run without", name, e.Steps)
}

// limitChecker looks for limits in what the frontends of other programs return. It is safe for concurrent use.
//
// Such a frontend gets the limits as options. If it does not know one, because it is older or another program, it
// leaves the limit out without an error.
type limitChecker struct {
	limits inputs.Limits

	mu      sync.Mutex
	ignored *IgnoredLimitsError // the first one
}

// check remembers an *IgnoredLimitsError if steps of the frontend's result do not have every limit. It returns an error
// if the daemon does not tell the steps.
func (l *limitChecker) check(ctx context.Context, frontend string, result *gateway.Result) error {
	if l.limits.IsZero() {
		return nil
	}
	steps := map[digest.Digest]bool{}
	for _, ref := range resultRefs(result) {
		state, err := ref.ToState()
		if err != nil {
			return err
		}
		definition, err := state.Marshal(ctx)
		if err != nil {
			return err
		}
		l.addUnlimited(definition.ToPB(), steps)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(steps) > 0 && l.ignored == nil {
		l.ignored = &IgnoredLimitsError{Frontend: frontend, Steps: len(steps)}
	}
	return nil
}

// err returns the first *IgnoredLimitsError; nil if there is none.
func (l *limitChecker) err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ignored == nil {
		return nil
	}
	return l.ignored
}

// resultRefs returns the references to the images of a result, without those of attestations.
func resultRefs(result *gateway.Result) []gateway.Reference {
	refs := []gateway.Reference{result.Ref}
	for _, ref := range result.Refs {
		refs = append(refs, ref)
	}
	return slices.DeleteFunc(refs, func(ref gateway.Reference) bool { return ref == nil })
}

// addUnlimited adds the steps of a definition that do not have every limit.
func (l *limitChecker) addUnlimited(definition *pb.Definition, steps map[digest.Digest]bool) {
	for _, data := range definition.GetDef() {
		var op pb.Op
		if err := op.UnmarshalVT(data); err != nil || op.GetExec() == nil {
			continue // it is for the daemon to refuse a malformed definition
		}
		step := digest.FromBytes(data)
		if !hasLimits(l.limits, op.GetExec(), definition.GetMetadata()[string(step)]) {
			steps[step] = true
		}
	}
}

// hasLimits reports whether a step has each kind of limit that is asked for.
func hasLimits(limits inputs.Limits, step *pb.ExecOp, metadata *pb.OpMetadata) bool {
	isShm := func(m *pb.Mount) bool { return m.GetDest() == "/dev/shm" }
	meta := step.GetMeta()
	switch {
	case limits.HasResources() && metadata.GetLinuxResources() == nil,
		limits.ShmSize != 0 && !slices.ContainsFunc(step.GetMounts(), isShm),
		len(limits.Ulimits) > 0 && len(meta.GetUlimit()) == 0,
		limits.CgroupParent != "" && meta.GetCgroupParent() == "":
		return false
	}
	return true
}

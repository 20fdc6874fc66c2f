package buildkit

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/mounts"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/mounts/folder"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// mountCollector collects the cache mounts of the definitions that a frontend makes. It is safe for concurrent use. A
// nil mountCollector does nothing.
type mountCollector struct {
	mu    sync.Mutex
	found map[string]mounts.Mount
	taken map[string]bool // by key
	err   error
}

// note adds the mounts of a definition.
func (m *mountCollector) note(def *pb.Definition) {
	if m == nil || def == nil {
		return
	}
	found, err := mounts.Find(def)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = errors.Join(m.err, err)
	if m.found == nil {
		m.found = map[string]mounts.Mount{}
	}
	maps.Copy(m.found, found)
}

// noteResult adds the mounts of what another frontend returned.
func (m *mountCollector) noteResult(ctx context.Context, result *gateway.Result) {
	if m == nil {
		return
	}
	for _, ref := range resultRefs(result) {
		state, err := ref.ToState()
		if err == nil {
			definition, errMarshal := state.Marshal(ctx)
			if err = errMarshal; err == nil {
				m.note(definition.ToPB())
			}
		}
		m.mu.Lock()
		m.err = errors.Join(m.err, err)
		m.mu.Unlock()
	}
}

// take returns the mounts that were not taken yet.
func (m *mountCollector) take() map[string]mounts.Mount {
	m.mu.Lock()
	defer m.mu.Unlock()
	fresh := map[string]mounts.Mount{}
	for key, mount := range m.found {
		if !m.taken[key] {
			fresh[key] = mount
		}
	}
	if m.taken == nil {
		m.taken = map[string]bool{}
	}
	for key := range fresh {
		m.taken[key] = true
	}
	return fresh
}

// restorer restores the cache mounts of a solve before its steps run. A nil restorer does nothing.
//
// It looks into each mount, even if the daemon has the results of all steps that mount it: only a solve of the step
// tells, and by then the step runs.
type restorer struct {
	mountCollector
	*CacheMounts
	outer   *solve
	access  Access
	solvers []*mountSolver // that close closes
}

// newRestorer returns the restorer of a solve; nil if no mounts travel.
func newRestorer(s *solve, access Access) *restorer {
	if access.CacheMounts == nil {
		return nil
	}
	return &restorer{CacheMounts: access.CacheMounts, outer: s, access: access}
}

// collector returns the part that collects mounts.
func (r *restorer) collector() *mountCollector {
	if r == nil {
		return nil
	}
	return &r.mountCollector
}

// restore restores the mounts that were collected since the last call. It reports what became of them.
func (r *restorer) restore(ctx context.Context) {
	if r == nil {
		return
	}
	todo := slices.DeleteFunc(r.choose(r.take()), func(m mounts.Mount) bool {
		_, isTried := r.tried.LoadOrStore(m.Key, true)
		return isTried || r.startsAnew(m)
	})
	if len(todo) == 0 {
		return
	}
	start := time.Now()
	defer func() { r.spent.Add(int64(time.Since(start))) }()
	left := r.Limit - time.Duration(r.spent.Load())
	bounded, stop := context.WithTimeoutCause(ctx, left, &SlowMountsError{r.Limit})
	defer stop()
	results, err := rescue.Value(func() ([]MountResult, error) { return r.restoreAll(bounded, todo) })
	if ctx.Err() != nil {
		return // the build says why
	}
	if len(results) == 0 {
		results = make([]MountResult, len(todo))
	}
	for i, result := range results {
		result.Name, result.Err = todo[i].Name(), cmp.Or(result.Err, err)
		if result.Done {
			result.Err = nil
		}
		r.report(result)
	}
}

// startsAnew reports whether BuildKit gives the steps an empty mount whatever it holds, because they ignore the build
// cache. The base of a mount may be built anew too.
func (r *restorer) startsAnew(m mounts.Mount) bool {
	plan := r.outer.plan
	return m.Fresh || m.HasBase && (plan.NoCache || len(plan.NoCacheOf) > 0)
}

func (r *restorer) report(result MountResult) {
	if r.Report != nil {
		r.Report(result)
	}
}

// close removes what the restores left on the daemon. After a build it reports why mounts do not travel, and tells
// their ids.
func (r *restorer) close(ctx context.Context, isBuilt bool) {
	if r == nil {
		return
	}
	for _, m := range r.solvers {
		m.close(ctx)
	}
	if !isBuilt {
		return
	}
	for _, result := range r.stepBases(r.found) {
		r.report(result)
	}
	if r.err != nil {
		r.report(MountResult{Err: r.err})
	} else if r.Found != nil {
		r.Found(ids(r.found))
	}
}

// ids returns the ids that mounts have in the Dockerfile.
func ids(found map[string]mounts.Mount) (names []string) {
	for _, m := range found {
		names = append(names, m.Name())
	}
	return names
}

// restoreAll restores mounts side by side, in one solve. It returns their results in order.
func (r *restorer) restoreAll(ctx context.Context, all []mounts.Mount) ([]MountResult, error) {
	m, err := newMountSolver(ctx, r.outer.plan, r.outer.inputs, r.access, r.outer.steps.report)
	if err != nil {
		return nil, err
	}
	r.solvers = append(r.solvers, m)
	build := func(ctx context.Context, _ *solve, c gateway.Client) (*gateway.Result, []MountResult, error) {
		results := make([]MountResult, len(all))
		var group sync.WaitGroup
		for i, mount := range all {
			rescue.GoGroup(&group, func(err error) { results[i].Err = err }, func() {
				results[i] = m.restore(ctx, c, mount)
			})
		}
		group.Wait()
		return gateway.NewResult(), results, nil
	}
	return m.solve(ctx, nil, build)
}

// restore restores a mount if it is empty and stored.
func (m *mountSolver) restore(ctx context.Context, c gateway.Client, mount mounts.Mount) (result MountResult) {
	start := time.Now()
	seen, err := m.look(ctx, c, mount)
	if errors.As(err, new(*HeldMountError)) {
		m.held.Store(mount.Key, true)
	}
	if err != nil || !seen.Empty {
		return MountResult{Err: err}
	}
	stored, tag, err := m.find(ctx, mount, seen.Base)
	if errors.Is(err, ErrNoStoredMount) {
		return MountResult{}
	}
	ref := m.Repository + ":" + tag
	if err == nil {
		err = stored.check(mount, m.MaxSize)
	}
	if err != nil {
		return MountResult{Ref: ref, Err: err}
	}
	from := ref + "@" + stored.Digest
	m.notePulled(from)
	_, done, err := m.step(ctx, c, mounts.Step{Mount: mount, Action: folder.RestoreAction, From: from})
	result = newMountResult(mount, done)
	result.Ref, result.Done, result.Took, result.Err = ref, done.Restored, time.Since(start), err
	return result
}

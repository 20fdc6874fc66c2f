package buildkit

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc/status"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/mounts"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/mounts/folder"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// mountSolver solves the steps that restore and save cache mounts. Its solves have sessions of their own, so that no
// failure reaches the solve of the build.
type mountSolver struct {
	*CacheMounts
	client   *client.Client
	platform ocispecs.Platform // of the builder
	helper   *source.Tree
	nonce    string       // in the description of all that the steps make
	steps    atomic.Int64 // that were begun
	packed   atomic.Bool  // a step has packed a mount
	plan     inputs.Plan
	inputs   *inputs.Inputs
	access   Access
	report   func(Event)

	mu     sync.Mutex
	pulled []string // references of images that the daemon pulls
}

// newMountSolver connects to the daemon and gets the program for it. The caller closes the client.
func newMountSolver(
	ctx context.Context, plan inputs.Plan, in *inputs.Inputs, access Access, report func(Event),
) (*mountSolver, error) {
	m := &mountSolver{
		CacheMounts: access.CacheMounts, inputs: in, access: access, report: report, nonce: rand.Text(),
	}
	m.plan = planForCaches(plan, in)
	m.plan.TestTargets = plan.TestTargets // their steps mount caches too
	m.access.Exports, m.access.KeepUnpushed = nil, false
	m.access.CacheFrom, m.access.CacheTo, m.access.CacheMounts = nil, nil, nil
	c, err := m.Dial(ctx)
	if err != nil {
		return nil, err
	}
	m.client = c
	served, err := AskServed(ctx, c)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	m.platform = served.own
	program, err := m.Helper(ctx, served.own.Architecture)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	m.helper = source.FromFiles(map[string][]byte{folder.Program: program})
	return m, nil
}

// solve runs build as the frontend of a solve, and pushes its result as the export says. A nil export makes no image.
// It returns the results that build returns, with errors that people understand.
func (m *mountSolver) solve(
	ctx context.Context, export *client.ExportEntry,
	build func(context.Context, *solve, gateway.Client) (*gateway.Result, []MountResult, error),
) ([]MountResult, error) {
	return m.solveWith(ctx, m.access.Secrets, export, build)
}

// solveWith is solve with other secrets.
func (m *mountSolver) solveWith(
	ctx context.Context, secrets map[string]Secret, export *client.ExportEntry,
	build func(context.Context, *solve, gateway.Client) (*gateway.Result, []MountResult, error),
) ([]MountResult, error) {
	access := m.access
	access.Secrets = secrets
	s, opt, err := m.prepare(ctx, access, export)
	if err != nil {
		return nil, s.finish(ctx, err)
	}
	var results []MountResult
	s.build = func(ctx context.Context, c gateway.Client) (result *gateway.Result, err error) {
		result, results, err = build(ctx, s, c)
		return result, err
	}
	if _, err = s.run(ctx, m.client, opt, access); err != nil {
		err = s.explain(ctx, err)
	}
	for i, r := range results {
		if r.Err != nil && ctx.Err() != nil {
			results[i].Err = context.Cause(ctx)
		} else if r.Err != nil {
			results[i].Err = s.explainMount(ctx, r.Err)
		}
	}
	return results, s.finish(ctx, err)
}

// prepare returns a solve that also serves the program of the steps.
func (m *mountSolver) prepare(
	ctx context.Context, access Access, export *client.ExportEntry,
) (*solve, client.SolveOpt, error) {
	plan := m.plan
	if export != nil {
		plan.Repositories = []string{m.Repository} // so that it is known what a stalled push is about
	}
	s := newSolve(plan, m.inputs, access.Log, m.reportMount)
	trees := map[string]*source.Tree{mounts.HelperSource: m.helper}
	maps.Copy(trees, m.inputs.Trees())
	s.files = source.NewServer(trees)
	s.files.Epoch = plan.Epoch
	opt, err := s.prepare(ctx, m.inputs, access)
	if export != nil {
		opt.Exports = []client.ExportEntry{*export}
	}
	opt.FrontendAttrs = plainOptions(opt.FrontendAttrs)
	opt.Internal = true // it is no build that the history of a daemon should show
	return s, opt, err
}

// explainMount returns the error that says most about a mount. A report and a check return errors that are explained.
func (s *solve) explainMount(ctx context.Context, err error) error {
	_, isDaemons := status.FromError(err)
	if isDaemons {
		return s.explain(ctx, err)
	}
	return err
}

// reportMount passes on what steps on cache mounts do.
func (m *mountSolver) reportMount(e Event) {
	if e.Kind != Warned && strings.Contains(e.Step.Command, " cache mount ") {
		m.report(e)
	}
}

// step runs a step on a mount. It returns what it makes, and its report. The error may be the one in the report.
func (m *mountSolver) step(ctx context.Context, c gateway.Client, step mounts.Step) (
	made *gateway.Result, report folder.Report, err error,
) {
	// The id of a mount is no part of the daemon's cache key: alike steps on two mounts would be taken for one.
	step.Nonce = fmt.Sprintf("%s-%d", m.nonce, m.steps.Add(1))
	step.Session, step.Platform, step.MaxSize = c.BuildOpts().SessionID, m.platform, m.MaxSize
	if step.Action == folder.SaveAction {
		m.packed.Store(true)
	}
	definition, err := step.Marshal(ctx)
	if err != nil {
		return nil, report, err
	}
	made, err = c.Solve(ctx, gateway.SolveRequest{Definition: definition.ToPB(), Evaluate: true})
	if err != nil {
		return nil, report, err
	}
	text, err := made.Ref.ReadFile(ctx, gateway.ReadRequest{Filename: folder.ReportFile})
	if err != nil {
		return nil, report, err
	}
	if err = json.Unmarshal(text, &report); err == nil && report.Error != "" {
		err = errors.New(report.Error)
	}
	return made, report, err
}

// notePulled remembers an image that the daemon pulls.
func (m *mountSolver) notePulled(ref string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pulled = append(m.pulled, ref)
}

// cleanLimit bounds the removal of what the steps left on the daemon.
const cleanLimit = 10 * time.Second

// close removes from the daemon a cache that was packed or pulled, and closes the connection. After the end of ctx it
// only does the latter.
//
// The daemon removes only entries that match a filter and that nothing uses. What the steps made has their nonce in its
// description. A mount has it too if a step was the first to mount it, so the filter names the type of other entries.
// What was pulled is named by its digest: if another build restores the same mount at this moment, the daemon uses the
// entry. So no entry of another build is removed. Whatever remains is left to the daemon's garbage collection.
func (m *mountSolver) close(ctx context.Context) {
	defer func() { _ = m.client.Close() }()
	if ctx.Err() != nil || len(m.pulled) == 0 && !m.packed.Load() {
		return
	}
	ctx, stop := context.WithTimeoutCause(ctx, cleanLimit, errors.New("the daemon is busy"))
	defer stop()
	filters := []string{"type==regular,description~=" + m.nonce}
	for _, ref := range m.pulled {
		filters = append(filters, `type==regular,description=="pulled from `+ref+`"`)
	}
	if err := m.client.Prune(ctx, nil, client.WithFilter(filters)); err != nil && m.access.Log != nil {
		m.access.Log.DebugContext(ctx, "steps on cache mounts left entries", "reason", errorLine(err))
	}
}

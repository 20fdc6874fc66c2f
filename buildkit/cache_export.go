package buildkit

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// CacheExport is a cache that ExportCaches was to write, and what became of it.
type CacheExport struct {
	Cache Cache
	Took  time.Duration
	Empty bool  // nothing was written, because the build has no layers
	Err   error // nil: the cache was written, or is Empty
}

// ExportCaches writes the caches of access.CacheTo, for a build that Solve has just finished on the daemon behind c.
// The plan, the inputs and the access are those of that build. Inline caches are left out, because they are in the
// image.
//
// The daemon solves the build once more, and takes each result from its own cache. If it has lost one, ExportCaches
// ends before the step runs again. A failure of one cache does not stop the others. It returns the caches in their
// order; each with one of these errors:
//   - a *CacheError if the cache refused something, or if its folder cannot be written.
//   - a *CacheSetupError if the daemon cannot begin to write it.
//   - a *StalledCacheError if it took nothing for too long.
//   - a *RepeatedStepError if the daemon does not have a result any more.
//   - a *StoppedError if ctx ended or the daemon did.
//   - any other error of Solve.
func ExportCaches(
	ctx context.Context, c *client.Client, plan inputs.Plan, in *inputs.Inputs, access Access, report func(Event),
) []CacheExport {
	tracker := &cacheTracker{}
	for _, cache := range access.CacheTo {
		if !cache.IsInline() {
			tracker.all = append(tracker.all, &trackedCache{CacheExport: CacheExport{Cache: cache}})
		}
	}
	plan = planForCaches(plan, in)
	for len(tracker.openCaches()) > 0 {
		tracker.begin()
		s := newSolve(plan, in, access.Log, func(e Event) {
			if e.Step.WritesCache() {
				report(e)
			}
		})
		s.steps.caches = tracker
		tracker.finish(s.exportCaches(ctx, c, access))
	}
	return tracker.results()
}

// planForCaches returns the plan that takes each result of a finished build from the cache. It makes no image and runs
// no tests, and no step of it runs even if the build ignored the cache.
func planForCaches(plan inputs.Plan, in *inputs.Inputs) inputs.Plan {
	plan.Files = in.Files()
	plan.WithoutImage, plan.TestTargets = true, nil
	plan.NoCache, plan.NoCacheOf = false, nil
	return plan
}

// exportCaches solves once and writes the current caches of the tracker. It returns a *CacheSetupError, or an error
// that is about all of them that are not finished.
func (s *solve) exportCaches(ctx context.Context, c *client.Client, access Access) error {
	access.Exports, access.KeepUnpushed = nil, false
	access.CacheTo = nil
	for _, t := range s.steps.caches.current {
		access.CacheTo = append(access.CacheTo, t.Cache)
	}
	opt, err := s.prepare(ctx, s.inputs, access)
	if first := access.CacheTo[0]; err == nil && first.Type == "local" {
		err = s.openCacheFolder(ctx, first)
	}
	if err != nil {
		return s.finish(ctx, err)
	}
	s.log.DebugContext(ctx, "cache export starts", "caches", access.CacheTo)
	opt.FrontendAttrs = plainOptions(opt.FrontendAttrs) // attestations are about an image
	opt.CacheExports = cacheEntries(access.CacheTo)
	for _, entry := range opt.CacheExports { // else one that fails stops the others
		entry.Attrs["ignore-error"] = "true"
	}
	if _, err = s.run(ctx, c, opt, access); err != nil && !errors.As(err, new(*RepeatedStepError)) {
		err = s.explain(ctx, err)
	}
	if local := s.readGuard.err(); local != nil { // it says more than what the daemon makes of it
		s.steps.caches.end(local)
	}
	return s.finish(ctx, err)
}

// openCacheFolder opens the folder of a local cache to write. It returns a *CacheError if that cannot be written.
func (s *solve) openCacheFolder(ctx context.Context, c Cache) error {
	store, err := s.openStore(c.Options["dest"], s.plan.Files.ProjectBounds().MakeRoot)
	if err == nil {
		store.stop = s.readGuard.stop
		err = store.removeTornIndex(ctx)
	}
	if err != nil {
		return &CacheError{Err: err}
	}
	return nil
}

// IsInline tells whether the cache is a part of the image.
func (c Cache) IsInline() bool { return c.Type == "inline" }

// inlineCaches returns the caches that the exporter of the image writes. It adds one if the argument
// BUILDKIT_INLINE_CACHE asks for it. BuildKit ignores that argument: its clients act on it, docker build for example.
func inlineCaches(plan inputs.Plan, to []Cache) []Cache {
	inline := slices.DeleteFunc(slices.Clone(to), func(c Cache) bool { return !c.IsInline() })
	if plan.HasInlineCache() { // a second inline cache does no harm
		inline = append(inline, Cache{Type: "inline"})
	}
	return inline
}

// cacheEntries converts caches for BuildKit's client. It copies the options, because the client writes into them.
func cacheEntries(caches []Cache) []client.CacheOptionsEntry {
	var entries []client.CacheOptionsEntry
	for _, c := range caches {
		options := maps.Clone(c.Options)
		if options == nil {
			options = map[string]string{}
		}
		entries = append(entries, client.CacheOptionsEntry{Type: c.Type, Attrs: options})
	}
	return entries
}

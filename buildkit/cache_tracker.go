package buildkit

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// cacheTracker follows the caches that a solve writes. A nil cacheTracker does nothing. While the solve runs it belongs
// to the goroutine that follows the status.
type cacheTracker struct {
	all []*trackedCache

	ctx     context.Context //nolint:containedctx // of the solve
	stop    context.CancelCauseFunc
	session func() string // its ID, by which the daemon names its steps
	redact  *redaction
	current []*trackedCache // in the order in which the daemon has them
}

// trackedCache is a cache that is to be written.
type trackedCache struct {
	CacheExport
	finished bool
	step     digest.Digest // that writes it
}

// end records that the cache is written; if err is not nil, that it is not.
func (t *trackedCache) end(err error) { t.finished, t.Err = true, err }

// openCaches returns the caches that are neither written nor known to be impossible to write.
func (t *cacheTracker) openCaches() []*trackedCache {
	return slices.DeleteFunc(slices.Clone(t.all), func(c *trackedCache) bool { return c.finished })
}

// begin chooses the caches that the next solve writes: all at once, but each local one alone. BuildKit's client writes
// into the index of a local cache whichever manifest the daemon names, and the daemon names one for all caches.
func (t *cacheTracker) begin() {
	open := t.openCaches()
	isLocal := func(c *trackedCache) bool { return c.Cache.Type == "local" }
	if t.current = slices.DeleteFunc(slices.Clone(open), isLocal); len(t.current) == 0 {
		t.current = open[:1]
	}
}

// bind sets the solve that is followed: its context, which stop ends, and its session.
func (t *cacheTracker) bind(
	ctx context.Context, stop context.CancelCauseFunc, session func() string, hidden *redaction,
) {
	if t != nil {
		t.ctx, t.stop, t.session, t.redact = ctx, stop, session, hidden
	}
}

// finish records how a solve ended. A *CacheSetupError is about the caches of its type, and another solve can write the
// others. A *StoppedError is about all caches that are not written. Any other error is about all that the solve was to
// write.
func (t *cacheTracker) finish(err error) {
	isFinished := func(c *trackedCache) bool { return c.finished }
	ended := slices.DeleteFunc(slices.Clone(t.current), isFinished)
	if errors.As(err, new(*StoppedError)) {
		ended = t.openCaches()
	}
	if setup, ok := errors.AsType[*CacheSetupError](err); ok {
		others := func(c *trackedCache) bool { return c.Cache.Type != setup.Type }
		if of := slices.DeleteFunc(slices.Clone(ended), others); len(of) > 0 {
			ended = of
		}
	}
	for _, c := range ended {
		c.end(err)
	}
}

// end records that no current cache is written, after the solve.
func (t *cacheTracker) end(err error) {
	for _, c := range t.current {
		c.end(err)
	}
}

// results returns the caches in their order.
func (t *cacheTracker) results() []CacheExport {
	all := make([]CacheExport, len(t.all))
	for i, c := range t.all {
		all[i] = c.CacheExport
	}
	return all
}

// vertex takes what the daemon says of a step. It stops the solve when a step of the build runs again.
func (t *cacheTracker) vertex(v *client.Vertex, step Step) {
	if t == nil || v.Started == nil || t.ctx.Err() != nil {
		return
	}
	if !step.WritesCache() {
		if len(v.Inputs) > 0 && !v.Cached { // a source without inputs is looked at again, and cached in the end
			t.stop(&RepeatedStepError{Step: step})
		}
		return
	}
	c := t.cacheOf(v)
	if c == nil || c.finished {
		return
	}
	c.step = v.Digest
	switch {
	case v.Completed == nil:
	case v.Error != "":
		c.Took = duration(v)
		text := t.redact.hide(writingBlob.ReplaceAllString(innerText(v.Error), ""))
		c.end(&CacheError{Err: errors.New(readableText(text)), Text: text})
	default:
		c.Took = duration(v)
		c.end(nil)
	}
}

// status takes what the daemon says of a part of a step.
func (t *cacheTracker) status(s *client.VertexStatus) {
	if t == nil || !strings.HasPrefix(s.ID, "skipping cache export for empty result") {
		return
	}
	for _, c := range t.current {
		c.Empty = c.Empty || c.step == s.Vertex
	}
}

// cacheOf returns the cache that a step writes: the daemon makes the digest of the step from the session and the number
// of the cache (solver/llbsolver/export.go). With a daemon that makes another one, it is the first unfinished cache of
// its kind. It returns nil if there is none.
func (t *cacheTracker) cacheOf(v *client.Vertex) *trackedCache {
	for i, c := range t.current {
		if v.Digest == digest.FromString(fmt.Sprint(t.session(), "-cache-", i)) || v.Digest == c.step {
			return c
		}
	}
	kind, _ := cutCacheExport(v.Name)
	for _, c := range t.current {
		if !c.finished && c.step == "" && cacheKinds[kind] == c.Cache.Type {
			return c
		}
	}
	return nil
}

// writingBlob matches the words of BuildKit before those of a registry (cache/remotecache/export.go).
var writingBlob = regexp.MustCompile(`^error writing \w+ blob: (?:failed to copy: )?`)

// cacheKinds are the types of caches by the names that BuildKit's exporters give them (cache/remotecache/*).
var cacheKinds = map[string]string{
	"registry": "registry", "client directory": "local", "Amazon S3": "s3", "Azure Blob Storage": "azblob",
	gitHubCache: "gha",
}

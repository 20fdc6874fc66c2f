package buildkit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/mounts"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/mounts/folder"
)

// CacheMounts makes the content of cache mounts travel between builders: as one image for each mount, in a repository.
// Solve restores what is empty, and SaveMounts saves what changed. Neither changes what is built, and no failure of
// theirs fails a build.
type CacheMounts struct {
	Repository string        // holds the image of each mount under a tag of its own
	Insecure   bool          // it is pushed to over plain http, or without a check of who answers
	Suffix     string        // of the tags; it keeps builders apart that build one platform each
	Others     []string      // suffixes of the tags to restore from if there is none with Suffix
	IDs        []string      // ids in the Dockerfile of the mounts that travel; nil: all
	MaxSize    int64         // bytes of the files of one mount that travel; the oldest files stay behind
	Limit      time.Duration // of all restores together

	// Find returns what the repository has under a tag. It returns ErrNoStoredMount if that is nothing.
	Find func(ctx context.Context, tag string) (StoredMount, error)
	// Helper returns the program of the steps for Linux on an architecture.
	Helper func(ctx context.Context, arch string) ([]byte, error)
	// Secrets returns the secrets of all builds that may have written into the mounts, in a fixed order; nil: those of
	// the build alone. What it returns may grow. No file with a secret travels.
	Secrets func() [][]byte
	// Dial returns a further connection to the daemon, which the caller closes.
	Dial func(ctx context.Context) (*client.Client, error)
	// Found gets the ids of all mounts of a build that has succeeded; nil: nobody is told. Nothing is told if they are
	// not known.
	Found func(ids []string)
	// Report gets what became of each mount that Solve restores or cannot restore; nil: nobody is told.
	Report func(MountResult)

	// Before is that of the build whose mounts are saved, if it is another one; else nil. No stored mount is replaced
	// that the build could not look into.
	Before *CacheMounts

	held  sync.Map     // the keys of mounts that other builds held when a solve was to restore them
	spent atomic.Int64 // nanoseconds of Limit
	tried sync.Map     // the keys of mounts that a solve has tried to restore; a push that is tried again solves again
}

// ErrNoStoredMount says that the content of a cache mount is not stored yet.
var ErrNoStoredMount = errors.New("nothing is stored under the tag")

// StoredMount is an image that may hold a cache mount.
type StoredMount struct {
	Digest      string
	Size        int64 // of its layers
	Layers      int
	Annotations map[string]string
}

// MountResult is what became of a cache mount.
type MountResult struct {
	Name   string // its id in the Dockerfile
	Ref    string // of the image; "" if none was needed
	Done   bool   // it was restored or saved; otherwise there was no need, or Err says why not
	Saving bool   // it was to be saved, not restored
	Took   time.Duration
	Files  int
	Bytes  int64

	LeftOut      int      // files that are older than the others and exceed MaxSize
	LeftOutBytes int64    // of these files
	WithSecret   []string // files that were left out because they hold a secret
	Err          error
}

// RunningBaseError is a cache mount that starts with what steps of another stage have made. It does not travel: nobody
// can look into it before these steps have run.
type RunningBaseError struct{ Name string }

// Error names the mount.
func (e *RunningBaseError) Error() string {
	return fmt.Sprintf("the cache mount %q starts with what the steps of a stage have made", e.Name)
}

// ForeignMountError is an image in the place of a cache mount that holds something else.
type ForeignMountError struct{ Holds string }

// Error says what the image holds.
func (e *ForeignMountError) Error() string {
	if e.Holds == "" {
		return "the image holds no cache mount"
	}
	return fmt.Sprintf("the image holds another cache mount, of %q", e.Holds)
}

// LargeMountError is a cache mount with more bytes than MaxSize allows.
type LargeMountError struct{ Size, Limit int64 }

// Error has both sizes.
func (e *LargeMountError) Error() string {
	return fmt.Sprintf("the image has %d bytes, and a cache mount may have %d", e.Size, e.Limit)
}

// SlowMountsError is the cause of a context in which mounts took too long.
type SlowMountsError struct{ Limit time.Duration }

// Error has the limit.
func (e *SlowMountsError) Error() string {
	return fmt.Sprintf("it took longer than %s, which is all that cache mounts are given", e.Limit)
}

// Annotations of the image of a cache mount.
const (
	mountIDAnnotation     = "io.github.pulumi-buildkit.cache-mount.id"
	mountDigestAnnotation = "io.github.pulumi-buildkit.cache-mount.digest"
)

// check returns a *ForeignMountError if an image does not hold the mount, and a *LargeMountError if it holds too much.
func (s StoredMount) check(m mounts.Mount, limit int64) error {
	const others = 1 << 20 // the names of the files, and what compression may add
	switch id := s.Annotations[mountIDAnnotation]; {
	case id != m.ID:
		return &ForeignMountError{Holds: id}
	case s.Layers != 1: // an index has none, and no size
		return &ForeignMountError{}
	case s.Size > limit+limit/4+others:
		return &LargeMountError{Size: s.Size, Limit: limit}
	}
	return nil
}

// choose returns the mounts that travel, in a fixed order.
func (c *CacheMounts) choose(found map[string]mounts.Mount) (chosen []mounts.Mount) {
	for _, key := range slices.Sorted(maps.Keys(found)) {
		if m := found[key]; !m.Runs && (c.IDs == nil || slices.Contains(c.IDs, m.Name())) {
			chosen = append(chosen, m)
		}
	}
	return chosen
}

// stepBases returns a result with a *RunningBaseError for each mount that cannot travel, although it should.
func (c *CacheMounts) stepBases(found map[string]mounts.Mount) (results []MountResult) {
	for _, key := range slices.Sorted(maps.Keys(found)) {
		if m := found[key]; m.Runs && (c.IDs == nil || slices.Contains(c.IDs, m.Name())) {
			results = append(results, MountResult{Name: m.Name(), Err: &RunningBaseError{Name: m.Name()}})
		}
	}
	return results
}

// find returns what is stored of a mount, and its tag: the one with the suffix, else one of the others. It returns
// ErrNoStoredMount if there is none.
func (c *CacheMounts) find(ctx context.Context, m mounts.Mount, base string) (StoredMount, string, error) {
	for _, suffix := range append([]string{c.Suffix}, c.Others...) {
		tag := m.Tag(base) + suffix
		stored, err := c.Find(ctx, tag)
		if !errors.Is(err, ErrNoStoredMount) {
			return stored, tag, err
		}
	}
	return StoredMount{}, m.Tag(base) + c.Suffix, ErrNoStoredMount
}

// newMountResult returns the result of a step on a mount.
func newMountResult(m mounts.Mount, r folder.Report) MountResult {
	return MountResult{
		Name: m.Name(), Files: r.Files, Bytes: r.Bytes, LeftOut: r.LeftOut, LeftOutBytes: r.LeftOutBytes,
		WithSecret: r.WithSecret,
	}
}

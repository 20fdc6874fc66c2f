package buildkit

import "time"

// Phase is the kind of work that a build waits for.
type Phase int

// The phases of a build. A build may be in several at once.
const (
	RunningStep       Phase = iota // a step of the Dockerfile, or another step of BuildKit
	ResolvingImage                 // a registry is asked for the digest of a base image
	FetchingSource                 // a base image, a remote build context, a source of ADD
	SendingFiles                   // files of this machine go to the daemon
	ImportingCache                 // a cache is read
	ExportingCache                 // a cache is written
	PushingLayers                  // layers go to a registry
	PushingManifest                // manifests go to a registry
	Exporting                      // the image, or the files of an export, are written
	PullingBase                    // layers of a base image are pulled and unpacked; only in a PhaseTime
	CompressingLayers              // layers are compressed; only in a PhaseTime
)

// Wait is one thing that a build waited for. Its texts have no secrets. They are of foreign origin.
type Wait struct {
	Phase  Phase
	Step   Step   // as the daemon names it
	What   string // the reference, repository, folder or URL; "" if it is not known
	Host   string // the server that it waits for; "" if it is not known
	Detail string // the part that is under way, such as a layer's digest; "" if it is not known
	Bytes  int64  // bytes of Detail that are done; 0 if that is not known
	Total  int64  // bytes of Detail; 0 if that is not known
	Since  time.Time
}

// StoppedError is a build that did not end by itself: its context ended, or its daemon did. In the latter case it wraps
// a *LostDaemonError.
type StoppedError struct {
	Waits []Wait // what the build waited for, the longest first
	Cause error
}

// Error returns the text of the cause.
func (e *StoppedError) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *StoppedError) Unwrap() error { return e.Cause }

// stoppedError returns a *StoppedError with the waits of the solve.
func (s *solve) stoppedError(cause error) error {
	return &StoppedError{Waits: s.steps.waiting.waits(s.steps.redact.hide), Cause: cause}
}

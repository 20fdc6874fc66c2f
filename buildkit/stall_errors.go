package buildkit

import (
	"errors"
	"fmt"
	"time"
)

// StalledCacheError is a cache whose transfer made no progress for too long. The image is not affected.
type StalledCacheError struct{ Limit time.Duration }

// Error says how long nothing moved.
func (e *StalledCacheError) Error() string {
	return fmt.Sprintf("writing the cache: nothing of it was taken within %s", e.Limit)
}

// StalledSourceError is a server that stopped in the middle of a transfer to the builder.
type StalledSourceError struct {
	What  string // what is fetched: "base image X", "build context X", "ADD X", "cache X"
	Host  string // the server; "" if the daemon does not name it
	Limit time.Duration
}

// Error names what is fetched and the server.
func (e *StalledSourceError) Error() string {
	server := "its server"
	if e.Host != "" {
		server = e.Host
	}
	return fmt.Sprintf("%s: %s has sent nothing for %s", e.What, server, e.Limit)
}

// stallError returns the error about a transfer that made no progress within limit.
func (t transfer) stallError(limit time.Duration) error {
	switch {
	case t.fetch != nil:
		stalled := *t.fetch
		stalled.Limit = limit
		return &stalled
	case t.base != "":
		return &BaseImageError{
			Ref: t.base, Frontend: t.frontend, Fault: Unreachable,
			Text: fmt.Sprintf("%s does not answer: it has been silent for %s", registryName(t.base), limit),
		}
	case t.repository == "":
		return &StalledCacheError{limit}
	}
	return &PushError{Repository: t.repository, Stalled: limit}
}

// findStall returns the error with which a stallWatch ended the solve; nil if err wraps none.
func findStall(err error) error {
	if stalled, ok := errors.AsType[*StalledCacheError](err); ok {
		return stalled
	}
	if stalled, ok := errors.AsType[*StalledSourceError](err); ok {
		return stalled
	}
	if stalled, ok := errors.AsType[*BaseImageError](err); ok {
		return stalled
	}
	if stalled, ok := errors.AsType[*PushError](err); ok {
		return stalled
	}
	return nil
}

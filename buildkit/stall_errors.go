package buildkit

import (
	"errors"
	"fmt"
	"time"
)

// StalledCacheError says that nothing moved for too long while a cache was written. The image is not concerned.
type StalledCacheError struct{ Limit time.Duration }

func (e *StalledCacheError) Error() string {
	return fmt.Sprintf("writing the cache: nothing of it was taken within %s", e.Limit)
}

// stallError returns the error about what made no headway within limit.
func (e transfer) stallError(limit time.Duration) error {
	switch {
	case e.fetch != nil:
		silent := *e.fetch
		silent.Limit = limit
		return &silent
	case e.base != "":
		return &BaseImageError{
			Ref: e.base, Frontend: e.frontend, Fault: Unreachable,
			Text: fmt.Sprintf("%s does not answer: it has been silent for %s", registryName(e.base), limit),
		}
	case e.repository == "":
		return &StalledCacheError{limit}
	}
	return &PushError{Repository: e.repository, Stalled: limit}
}

// findStall returns the error with which a watch ended the solve; nil when err is none.
func findStall(err error) error {
	if silent, ok := errors.AsType[*StalledCacheError](err); ok {
		return silent
	}
	if silent, ok := errors.AsType[*StalledSourceError](err); ok {
		return silent
	}
	if silent, ok := errors.AsType[*BaseImageError](err); ok {
		return silent
	}
	if stalled, ok := errors.AsType[*PushError](err); ok {
		return stalled
	}
	return nil
}

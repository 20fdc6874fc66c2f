package rescue

import (
	"time"

	"golang.org/x/sync/errgroup"
)

// Value runs f and returns its value and error, or a *PanicError when it panics.
func Value[T any](f func() (T, error)) (value T, err error) {
	defer Recover(func(caught *PanicError) { err = caught })
	return f()
}

// GoErrGroup runs f in a goroutine of group, for which a panic of f is an error.
func GoErrGroup(group *errgroup.Group, f func() error) {
	group.Go(func() error { return Call(f) }) //nolint:forbidigo // this is what others are to call
}

// AfterFunc calls f as time.AfterFunc does, and passes a panic of f to fail.
func AfterFunc(d time.Duration, fail func(error), f func()) *time.Timer {
	return time.AfterFunc(d, func() { //nolint:forbidigo // this is what others are to call
		defer Recover(func(caught *PanicError) { fail(caught) })
		f()
	})
}

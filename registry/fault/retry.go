package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// minTryTime is how much of a budget must be left after a pause to be worth a try.
const minTryTime = 100 * time.Millisecond

// Attempt is one try. transient says whether its error is likely to pass.
type Attempt func(context.Context) (transient bool, err error)

// Pause is the time between two tries.
type Pause struct {
	Failure error // of the last try
	Tries   int   // so far
	Length  time.Duration
}

// Retry repeats an attempt while its failure is likely to pass: all that we send to registries may be repeated. It ends
// when the next pause would outlast ctx, with a *RetriesExhausted after more than one try.
//
// Retry calls onPause before each pause, and the end that onPause returns after it. onPause may be nil.
func Retry(ctx context.Context, pauses Backoff, onPause func(Pause) (end func()), try Attempt) error {
	began := time.Now()
	var last error
	for tries := 1; ; tries++ {
		transient, failure := try(ctx)
		switch {
		case failure == nil:
			return nil
		case last != nil && errors.Is(ctx.Err(), context.DeadlineExceeded): // the failure before says more
			return &RetriesExhausted{Err: last, Tries: tries, Took: time.Since(began)}
		case ctx.Err() != nil || !transient:
			return failure
		}
		last = failure
		requested := RetryAfter(failure)
		length, ok := pauses.PauseAfter(tries, requested)
		if !ok || outlasts(ctx, length) {
			over := &RetriesExhausted{Err: last, Tries: tries, Took: time.Since(began), Requested: requested}
			if ok && requested > 0 {
				over.TooLong = length
			}
			return over
		}
		if err := (Pause{Failure: failure, Tries: tries, Length: length}).sleep(ctx, onPause); err != nil {
			return err
		}
	}
}

// sleep waits for the length of the pause, between onPause and its end.
func (p Pause) sleep(ctx context.Context, onPause func(Pause) (end func())) error {
	if onPause != nil {
		defer onPause(p)()
	}
	return Sleep(ctx, p.Length)
}

// outlasts reports whether ctx has a deadline before the end of the pause and of a try after it.
func outlasts(ctx context.Context, pause time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) < pause+minTryTime
}

// Sleep waits for a time, or returns the cause when ctx ends first.
func Sleep(ctx context.Context, length time.Duration) error {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// RetriesExhausted is the last of several failures, with what was done about them.
type RetriesExhausted struct {
	Err       error
	Tries     int
	Took      time.Duration
	Requested time.Duration // the pause that the registry wanted
	TooLong   time.Duration // the pause that the registry wanted, if less time is left
}

// Error names the last failure, what was done about it and why there is no further try.
func (e *RetriesExhausted) Error() string {
	switch {
	case e.TooLong > 0:
		return fmt.Sprintf("%v (tried %s: the next try may begin in %s, and less time is left)",
			e.Err, e.attemptsText(), e.TooLong.Round(time.Second/10))
	case e.Tries == 1:
		return e.Err.Error()
	}
	return fmt.Sprintf("%v (tried %s)", e.Err, e.attemptsText())
}

// attemptsText returns how often something was tried, and for how long.
func (e *RetriesExhausted) attemptsText() string {
	if e.Tries == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times in %s", e.Tries, e.Took.Round(time.Second/10))
}

// Unwrap returns the last failure.
func (e *RetriesExhausted) Unwrap() error { return e.Err }

package fault

import (
	"math/rand/v2"
	"time"
)

// The pauses of the nil Backoff are 1 s, 2 s, 4 s and so on up to 30 s. Each is shortened at random by up to a half, so
// that clients that a registry turned away together do not come back together.
const firstPause, longestPause = time.Second, 30 * time.Second

// Backoff holds the pauses after the first, second, ... try. Nil means growing pauses without an end, and an empty list
// that is not nil means one try.
type Backoff []time.Duration

// PauseAfter returns the pause after so many tries. It is at least requested, the pause that the registry wants. ok is
// false when there is to be no further try.
func (b Backoff) PauseAfter(tries int, requested time.Duration) (pause time.Duration, ok bool) {
	if b != nil {
		left := b[min(tries-1, len(b)):]
		if len(left) == 0 {
			return 0, false
		}
		return max(left[0], requested), true
	}
	pause = longestPause
	if tries < 6 { // 1 s << 5 is more than the longest
		pause = firstPause << (tries - 1)
	}
	return max(pause/2+rand.N(pause/2), requested), true //nolint:gosec // it spreads, it hides nothing
}

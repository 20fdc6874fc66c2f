package buildkit

import (
	"regexp"
	"time"

	"github.com/moby/buildkit/client"
)

// layerID matches the daemon's name for a layer that it pulls.
var layerID = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// noteProgress takes what the daemon says of the layers that it pulls. Layers wait for each other, so progress of one
// is progress of all fetches.
func (w *stallWatch) noteProgress(s *client.VertexStatus) {
	if !layerID.MatchString(s.ID) {
		return
	}
	key := activityKey{s.Vertex, s.ID}
	a, complete := w.activities[key], s.Completed != nil || s.Total > 0 && s.Current >= s.Total
	switch {
	case a == nil && !complete:
		w.trackLayer(key, s.Current)
	case a != nil && complete:
		w.forget(key)
		w.extendFetches()
	case a != nil && s.Current > a.pulled:
		a.pulled = s.Current
		w.extendFetches()
	}
}

// trackLayer starts to watch a layer of which the daemon has some bytes.
func (w *stallWatch) trackLayer(key activityKey, bytes int64) {
	t, ok := describeFetch(w.names[key.vertex], w.files)
	if !ok {
		t.fetch = &StalledSourceError{What: "layer " + key.id, Host: "its registry"}
	}
	t.large = false
	w.track(key, t, false)
	w.activities[key].pulled = bytes
}

// extendFetches notes progress of everything that is fetched.
func (w *stallWatch) extendFetches() {
	for _, a := range w.activities {
		if a.fetch != nil {
			a.progressed = time.Now()
		}
	}
}

// countBytes returns how many bytes the daemon has moved in the direction of an activity.
func (w *stallWatch) countBytes(a *activity) (bytes int64, ok bool) {
	if a.fetch != nil {
		return w.bytesRead()
	}
	return w.bytesWritten()
}

// limitByBytes notes progress if the daemon has moved bytes, and returns how long the activity may make none. The limit
// is factor times the timeout if the bytes cannot be counted.
//
// The first count is no earlier than the first check, and passes for progress: most activities have ended by then, and
// a count costs milliseconds on a machine with many connections.
func (w *stallWatch) limitByBytes(a *activity, factor time.Duration) time.Duration {
	moved, ok := w.countBytes(a)
	if !ok {
		return factor * w.timeout
	}
	if !a.counted {
		a.counted, a.progressed, a.moved = true, time.Now(), moved
	}
	if float64(moved-a.moved) > w.idleBytesPerSecond(a)*w.timeout.Seconds() {
		a.progressed, a.moved = time.Now(), moved
	}
	return w.timeout
}

// idleBytesPerSecond returns the rate at which a daemon moves bytes without any progress of the activity.
func (w *stallWatch) idleBytesPerSecond(a *activity) float64 {
	if a.fetch == nil {
		return minBytesPerSecond
	}
	pulling := 0
	for _, other := range w.activities {
		if other.fetch != nil && !other.large {
			pulling++
		}
	}
	return minBytesPerSecond + float64(pulling*layerPollBytesPerSecond)
}

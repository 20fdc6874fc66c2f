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

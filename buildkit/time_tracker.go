package buildkit

import (
	"slices"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// timeTracker collects when the vertices of a solve ran. It belongs to the goroutine that follows the status of the
// solve until the solve has returned.
type timeTracker struct {
	vertexes map[digest.Digest]*timedVertex
}

// timedVertex is a vertex of BuildKit with the times in which it ran. A source runs once to resolve and again for each
// layer that somebody needs.
type timedVertex struct {
	name   string
	step   Step
	inputs []digest.Digest
	cached bool
	spans  []span
	parts  map[timedPart][]span // of an exporter
	out    []span               // in which an exporter waited for this process
	layers []span               // in which layers were downloaded
	bytes  map[string]int64     // by the daemon's name for what is transferred
}

// timedPart is something that an exporter does.
type timedPart struct {
	phase      Phase
	repository string // of a push
}

// of returns a vertex. It makes one for a vertex that is new.
func (t *timeTracker) of(d digest.Digest) *timedVertex {
	if t.vertexes[d] == nil {
		t.vertexes[d] = &timedVertex{parts: map[timedPart][]span{}, bytes: map[string]int64{}}
	}
	return t.vertexes[d]
}

// vertex takes what the daemon says of a vertex that begins or ends.
func (t *timeTracker) vertex(v *client.Vertex, step Step) {
	known := t.of(v.Digest)
	known.name, known.step, known.cached = v.Name, step, known.cached || v.Cached
	if len(v.Inputs) > 0 { // a vertex that runs again for its layers has none
		known.inputs = v.Inputs
	}
	if v.Started != nil && v.Completed != nil {
		known.spans = append(known.spans, span{*v.Started, *v.Completed})
	}
}

// status takes what the daemon says of a part of a vertex. repository is that of a push.
func (t *timeTracker) status(s *client.VertexStatus, repository string) {
	known := t.of(s.Vertex)
	isLayer := layerID.MatchString(s.ID)
	if isLayer || strings.HasPrefix(s.ID, "transferring ") {
		known.bytes[s.ID] = max(known.bytes[s.ID], s.Current)
	}
	if s.Started == nil || s.Completed == nil {
		return
	}
	ran := span{*s.Started, *s.Completed}
	if isLayer {
		known.layers = append(known.layers, ran)
	}
	if phase, ok := exporterPhase(s.ID); ok && isExporter(known.name) {
		part := timedPart{phase, repository}
		known.parts[part] = append(known.parts[part], ran)
	}
}

// leaveOut takes a part of an exporter in which the daemon waited for this process. Its time is in no phase.
func (t *timeTracker) leaveOut(s *client.VertexStatus) {
	if s.Started != nil && s.Completed != nil {
		known := t.of(s.Vertex)
		known.out = append(known.out, span{*s.Started, *s.Completed})
	}
}

// exporterPhase returns the phase of a part of an exporter. ok is false for a part that has none. The names are those
// of BuildKit (exporter/containerimage/writer.go, solver/llbsolver/export.go, util/push/push.go).
func exporterPhase(id string) (phase Phase, ok bool) {
	for prefix, phase := range map[string]Phase{
		"exporting layers": CompressingLayers, "rewriting layers ": CompressingLayers,
		"preparing layers for inline cache": CompressingLayers,
		"pushing layers":                    PushingLayers, "pushing manifest ": PushingLayers,
	} {
		if strings.HasPrefix(id, prefix) {
			return phase, true
		}
	}
	return 0, false
}

// isExporter tells whether a vertex with this name writes an image, files or a cache.
func isExporter(name string) bool { return strings.HasPrefix(name, "exporting ") }

// pulledBase returns the base image that a vertex with this name pulls, without its digest; "" if it pulls none. A base
// image that several stages use has no number.
func pulledBase(name string) string {
	ref, ok := strings.CutPrefix(name, "FROM ")
	if m := fromStep.FindStringSubmatch(name); m != nil {
		ref, ok = m[1], true
	}
	if !ok || ref == "scratch" {
		return ""
	}
	ref, _, _ = strings.Cut(ref, "@")
	return ref
}

// spansBefore returns when the vertices ran that a vertex depends on. Their layers are pulled when somebody needs them,
// which with some daemons is after the vertex has begun.
func (t *timeTracker) spansBefore(v *timedVertex) (all []span) {
	seen := map[digest.Digest]bool{}
	for next := slices.Clone(v.inputs); len(next) > 0; next = next[1:] {
		input := t.vertexes[next[0]]
		if input == nil || seen[next[0]] {
			continue
		}
		seen[next[0]] = true
		all, next = append(all, input.spans...), append(next, input.inputs...)
	}
	return all
}

// otherSteps returns how many steps of the Dockerfile are not those of the image. The steps of the image begin with one
// that no other step needs, and go on with the first input of each.
func (t *timeTracker) otherSteps() (n int) {
	needed, ofImage := map[digest.Digest]bool{}, map[digest.Digest]bool{}
	for _, v := range t.vertexes {
		for _, d := range v.inputs {
			needed[d] = true
		}
	}
	for d, v := range t.vertexes {
		for isLast := !needed[d]; v != nil && v.step.Position != "" && isLast && !ofImage[d]; v = t.vertexes[d] {
			ofImage[d] = true
			if len(v.inputs) == 0 || v.copiesOnly() {
				break
			}
			d = v.inputs[0]
		}
	}
	for d, v := range t.vertexes {
		if v.step.Position != "" && pulledBase(v.name) == "" && !ofImage[d] {
			n++
		}
	}
	return n
}

// copiesOnly tells whether a vertex copies from a stage into an empty image. Its one input is that stage.
func (v *timedVertex) copiesOnly() bool {
	isCopy := strings.HasPrefix(v.step.Command, "COPY ") && strings.Contains(v.step.Command, "--from=")
	return isCopy && len(v.inputs) == 1
}

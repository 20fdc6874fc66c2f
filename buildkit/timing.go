package buildkit

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// Timing says where the time of a solve went.
type Timing struct {
	Phases []PhaseTime // the longest first

	CachedSteps int // how many steps of the Dockerfile a cache had
	OtherSteps  int // how many steps of the Dockerfile are not those of the image, as far as that is certain
}

// PhaseTime is how long a solve was in a phase with one thing. Its texts are as in a Wait.
type PhaseTime struct {
	Phase Phase
	Step  Step   // of the phase RunningStep
	What  string // as in a Wait, without a digest
	Host  string

	// Took is the time in which at least one vertex of the daemon did this. Two phases may overlap. A step has not
	// begun while the layers that it needs are pulled.
	Took time.Duration
	// Downloading is the part of Took in which layers were downloaded.
	Downloading time.Duration
	Bytes       int64 // that were transferred; 0: not known
}

// join returns the timing of a solve and of the one after it, which takes from the cache what the first one has done.
func (t Timing) join(after Timing) Timing {
	t.Phases = slices.Concat(t.Phases, after.Phases)
	sortPhases(t.Phases)
	t.OtherSteps = max(t.OtherSteps, after.OtherSteps)
	return t
}

// newTiming returns where the time of the solve went. The solve must have returned.
func (s *stepTracker) newTiming() Timing {
	hide := func(text string) string { return login.Hide(s.redact.hide(text)) }
	sum := phaseSum{
		describe: func(v *timedVertex) PhaseTime { return describePhase(v, s.waiting, hide) },
		spans:    map[PhaseTime][]span{}, layers: map[PhaseTime][]span{}, bytes: map[PhaseTime]int64{},
		imports: map[string]bool{},
	}
	vertexes := slices.Collect(maps.Values(s.times.vertexes))
	for _, v := range vertexes {
		if strings.HasPrefix(v.name, cacheImportPrefix) {
			sum.imports[sum.describe(v).What] = true
		}
	}
	for _, v := range vertexes {
		if !isExporter(v.name) {
			sum.addVertex(v, s.times.spansBefore(v))
		}
	}
	for _, v := range vertexes {
		if isExporter(v.name) {
			sum.addExporter(v)
		}
	}
	return Timing{Phases: sum.phases(), CachedSteps: sum.cachedSteps, OtherSteps: s.times.otherSteps()}
}

// describePhase returns the phase of a vertex, without its time.
func describePhase(v *timedVertex, waiting *waitTracker, hide func(string) string) PhaseTime {
	if base := pulledBase(v.name); base != "" {
		return PhaseTime{Phase: PullingBase, What: hide(base), Host: registryName(base)}
	}
	wait := waiting.describe(&openVertex{name: v.name, step: v.step})
	phase := PhaseTime{Phase: wait.Phase, What: hide(wait.What), Host: wait.Host}
	if phase.Phase == RunningStep || phase.Phase == Exporting {
		phase.Step = v.step
		phase.Step.Command = hide(v.step.Command)
	}
	return phase
}

// phaseSum adds up the times of vertices by their phases.
type phaseSum struct {
	describe func(*timedVertex) PhaseTime

	spans, layers map[PhaseTime][]span // by phases without times
	bytes         map[PhaseTime]int64
	work          []span // of all that an exporter may wait for

	imports     map[string]bool // the caches that were read
	cachedSteps int
}

// addVertex adds a vertex that is no exporter. The spans before it are those of the vertices that it depends on.
func (p *phaseSum) addVertex(v *timedVertex, before []span) {
	key := p.describe(v)
	if key.Phase == RunningStep && v.step.Position != "" && v.cached {
		p.cachedSteps++
		if len(v.layers) > 0 { // they come from a cache
			key = PhaseTime{Phase: ImportingCache, What: only(p.imports)}
		}
	}
	p.spans[key] = append(p.spans[key], subtract(v.spans, before)...)
	p.layers[key] = append(p.layers[key], v.layers...)
	for _, n := range v.bytes {
		p.bytes[key] += n
	}
	p.work = append(p.work, v.spans...)
}

// addExporter adds an exporter after all other vertices. What is pulled because the exporter needs it is no part of it.
func (p *phaseSum) addExporter(v *timedVertex) {
	rest := subtract(v.spans, v.out)
	for part, ran := range v.parts {
		key := PhaseTime{Phase: part.phase, What: part.repository}
		key.Host, _, _ = strings.Cut(part.repository, "/")
		p.spans[key] = append(p.spans[key], subtract(ran, p.work)...)
		rest = subtract(rest, ran)
	}
	key := p.describe(v)
	p.spans[key] = append(p.spans[key], subtract(rest, p.work)...)
}

// phases returns the phases with their times, the longest first.
func (p *phaseSum) phases() (all []PhaseTime) {
	for phase, ran := range p.spans {
		layers, bytes := p.layers[phase], p.bytes[phase]
		phase.Took, phase.Downloading, phase.Bytes = total(ran), total(layers), bytes
		if phase.Took > 0 {
			all = append(all, phase)
		}
	}
	sortPhases(all)
	return all
}

// sortPhases sorts phases, the longest first.
func sortPhases(all []PhaseTime) {
	slices.SortFunc(all, func(a, b PhaseTime) int {
		return cmp.Or(cmp.Compare(b.Took, a.Took), cmp.Compare(a.Phase, b.Phase), cmp.Compare(a.What, b.What),
			cmp.Compare(a.Step.Platform, b.Step.Platform), cmp.Compare(a.Step.Command, b.Step.Command))
	})
}

// only returns the one key of a set; "" if it has several or none.
func only(set map[string]bool) string {
	if len(set) != 1 {
		return ""
	}
	return slices.Collect(maps.Keys(set))[0]
}

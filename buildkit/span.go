package buildkit

import (
	"cmp"
	"slices"
	"time"
)

// span is a time of the daemon's clock.
type span struct{ from, to time.Time }

// merge returns the spans in their order, without overlaps.
func merge(all []span) (merged []span) {
	sorted := slices.SortedFunc(slices.Values(all), func(a, b span) int {
		return cmp.Or(a.from.Compare(b.from), a.to.Compare(b.to))
	})
	for _, s := range sorted {
		last := len(merged) - 1
		switch {
		case !s.to.After(s.from): // the clock was set back
		case last < 0 || s.from.After(merged[last].to):
			merged = append(merged, s)
		case s.to.After(merged[last].to):
			merged[last].to = s.to
		}
	}
	return merged
}

// subtract returns what of the spans is in none of the others.
func subtract(all, others []span) []span {
	left := merge(all)
	for _, o := range merge(others) {
		var cut []span
		for _, s := range left {
			if !o.to.After(s.from) || !o.from.Before(s.to) {
				cut = append(cut, s)
				continue
			}
			cut = append(cut, span{s.from, o.from}, span{o.to, s.to})
		}
		left = merge(cut) // without empty spans
	}
	return left
}

// total returns how long the spans are, without overlaps.
func total(all []span) (took time.Duration) {
	for _, s := range merge(all) {
		took += s.to.Sub(s.from)
	}
	return took
}

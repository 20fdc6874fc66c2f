package provider

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

// layerWait is the wait of one push for layers that earlier pushes bring.
type layerWait struct {
	shares *layerShares
	push   *layerPush
	// fetch gives the repositories of the push a layer, which these other repositories may have. It returns the
	// repository of the push that has the layer now, or "".
	fetch func(ctx context.Context, layer sharedLayer, places []string) string
	// isUseless tells whether nobody need wait for layers of a repository, because the registry does not mount them
	// into another one.
	isUseless func(from, to string) bool
	// begin is called before the first wait, and the end that it returns after the last one.
	begin func() (end func())
}

// run returns when each layer of the push has been fetched, or when the push has to bring it. It returns early if ctx
// ends.
func (w *layerWait) run(ctx context.Context) {
	open := slices.SortedFunc(maps.Keys(w.push.layers), func(a, b sharedLayer) int {
		return cmp.Or(cmp.Compare(a.host, b.host), cmp.Compare(a.digest, b.digest))
	})
	asked := map[sharedLayer]bool{}
	end := func() {}
	defer func() { end() }()
	for isWaiting := false; ctx.Err() == nil; isWaiting = true {
		changed := w.shares.nextChange()
		open = slices.DeleteFunc(open, func(layer sharedLayer) bool { return w.isSettled(ctx, layer, asked) })
		if len(open) == 0 {
			return
		}
		if !isWaiting && w.begin != nil {
			end = w.begin()
		}
		tick := time.NewTimer(layerPollInterval)
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
		}
		tick.Stop()
	}
}

// isSettled tells whether a layer is not worth a wait any more. It fetches a layer that is in the registry.
func (w *layerWait) isSettled(ctx context.Context, layer sharedLayer, asked map[sharedLayer]bool) bool {
	places := w.shares.placesOf(layer)
	bringer := w.shares.bringer(w.push, layer)
	if len(places) == 0 && (bringer == nil || w.isBringerUseless(bringer, layer.host)) {
		return true
	}
	if len(places) == 0 && !asked[layer] { // the repository may have it
		asked[layer] = true
		if own := w.fetch(ctx, layer, nil); own != "" {
			w.shares.arrive(layer, own)
			return true
		}
	}
	if len(places) == 0 && w.shares.takePoll(layer) {
		if at := bringer.repositories[layer.host]; bringer.has(ctx, at, layer.digest) {
			w.shares.arrive(layer, at)
			places = []string{at}
		}
	}
	if len(places) == 0 {
		return false
	}
	if own := w.fetch(ctx, layer, places); own != "" {
		w.shares.arrive(layer, own)
	}
	return true
}

// isBringerUseless tells whether nobody need wait for layers that another push brings to a registry.
func (w *layerWait) isBringerUseless(bringer *layerPush, host string) bool {
	return w.isUseless(bringer.repositories[host], w.push.repositories[host])
}

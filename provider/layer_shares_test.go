package provider

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeUploads are pushes that take virtual time. They stand for BuildKit and the registry.
type fakeUploads struct {
	shares  layerShares
	refuses bool // the registry mounts nothing

	mu      sync.Mutex
	stored  map[string][]string // layers by repository
	sent    int
	tried   bool // whether a mount was tried
	running sync.WaitGroup
	took    map[string]time.Duration
}

// has tells whether a repository has a layer.
func (f *fakeUploads) has(_ context.Context, repository, digest string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.stored[repository], digest)
}

// store gives a repository a layer.
func (f *fakeUploads) store(repository, digest string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stored[repository] = append(f.stored[repository], digest)
}

// push begins a push of layers to a repository. It sends each missing one for a second, and the layer "large" for a
// minute. A push that fails stores nothing.
func (f *fakeUploads) push(ctx context.Context, repository string, succeeds bool, layers ...string) {
	p := &layerPush{
		layers: map[sharedLayer]bool{}, repositories: map[string]string{"host": repository}, has: f.has,
	}
	for _, layer := range layers {
		p.layers[sharedLayer{"host", layer}] = true
	}
	f.shares.join(p) // in the order of the program
	began := time.Now()
	f.running.Go(func() {
		w := layerWait{
			shares: &f.shares, push: p,
			isUseless: func(_, _ string) bool { f.mu.Lock(); defer f.mu.Unlock(); return f.refuses && f.tried },
			fetch: func(ctx context.Context, layer sharedLayer, places []string) string {
				if f.has(ctx, repository, layer.digest) {
					return repository
				}
				if len(places) == 0 {
					return ""
				}
				f.mu.Lock()
				f.tried = true
				f.mu.Unlock()
				if f.refuses {
					return ""
				}
				f.store(repository, layer.digest)
				return repository
			},
		}
		w.run(ctx)
		for _, layer := range layers {
			f.send(ctx, repository, layer, succeeds)
		}
		f.shares.end(p, succeeds)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.took[repository] = time.Since(began).Truncate(time.Second)
	})
}

// send sends a layer, unless the repository has it.
func (f *fakeUploads) send(ctx context.Context, repository, layer string, succeeds bool) {
	if f.has(ctx, repository, layer) {
		return
	}
	f.mu.Lock()
	f.sent++
	f.mu.Unlock()
	if layer == "large" {
		<-time.After(time.Minute)
	}
	<-time.After(time.Second)
	if succeeds {
		f.store(repository, layer)
	}
}

// A layer is sent by the first push, and the others get it from there as soon as it has arrived, whatever else that
// push sends. A push that fails lets the next one try. Nobody waits for a layer that its repository has, and nobody
// for a registry that mounts nothing.
func TestLayerShares(t *testing.T) {
	t.Parallel()
	for _, refuses := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeUploads{refuses: refuses, stored: map[string][]string{}, took: map[string]time.Duration{}}
			f.store("has it", "base")
			ctx := t.Context()
			f.push(ctx, "fails", false, "base")
			f.push(ctx, "first", true, "base", "large")
			for _, repository := range []string{"second", "third", "fourth"} {
				f.push(ctx, repository, true, "base")
			}
			f.push(ctx, "other", true, "d")
			f.running.Wait()
			f.push(ctx, "late", true, "base")
			f.push(ctx, "has it", true, "base")
			f.running.Wait()
			want := map[string]time.Duration{
				"fails": 1, "first": 63, "second": 2, "third": 2, "fourth": 2, "other": 1, "late": 0, "has it": 0,
			}
			sent := 4
			if refuses {
				sent += 4
				want["second"], want["third"], want["fourth"], want["late"] = 3, 3, 3, 1
			}
			for repository, seconds := range want {
				if f.took[repository] != seconds*time.Second {
					t.Errorf("refused %t: %s took %v, want %ds", refuses, repository, f.took[repository], seconds)
				}
			}
			if f.sent != sent {
				t.Errorf("refused %t: %d layers were sent, want %d", refuses, f.sent, sent)
			}
		})
	}
}

// A wait ends with its context.
func TestLayerSharesCanceled(t *testing.T) {
	t.Parallel()
	f := &fakeUploads{stored: map[string][]string{}, took: map[string]time.Duration{}}
	newPush := func() *layerPush {
		p := &layerPush{layers: map[sharedLayer]bool{{"host", "base"}: true}, has: f.has}
		f.shares.join(p)
		return p
	}
	newPush()
	ctx, cancel := context.WithCancel(t.Context())
	waits := 0
	w := layerWait{
		shares: &f.shares, push: newPush(), isUseless: func(_, _ string) bool { return false },
		fetch: func(context.Context, sharedLayer, []string) string { return "" },
		begin: func() (end func()) {
			waits++
			cancel()
			return func() { waits-- }
		},
	}
	w.run(ctx)
	if waits != 0 {
		t.Error("the wait did not end")
	}
}

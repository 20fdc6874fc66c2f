package provider

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Pushes with a common layer go one after the other until one has brought it. The others then go at once. A push that
// fails lets the next one try, and a layer that the repository has is waited for by nobody.
func TestLayerShares(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &layerShares{}
		hasNone := func(string) bool { return false }
		var ends sync.Map
		began := time.Now()
		push := func(name string, succeeds bool, has func(string) bool, layers ...string) {
			p := s.join(layers) // in the order of the program
			go func() {
				s.wait(t.Context(), p, has, func() (end func()) { return func() {} })
				<-time.After(time.Second)
				s.end(p, succeeds)
				ends.Store(name, time.Since(began))
			}()
		}
		push("fails", false, hasNone, "base", "a")
		push("first", true, hasNone, "a", "base")
		push("second", true, hasNone, "base", "b")
		push("third", true, hasNone, "base", "c")
		push("other", true, hasNone, "d")
		push("has it", true, func(string) bool { return true }, "base")
		synctest.Wait()
		<-time.After(time.Minute)
		synctest.Wait()
		for name, want := range map[string]time.Duration{
			"fails": 1, "first": 2, "second": 3, "third": 3, "other": 1, "has it": 1,
		} {
			if got, _ := ends.Load(name); got != want*time.Second {
				t.Errorf("%s ended after %v, want %ds", name, got, want)
			}
		}
	})
}

// A wait ends with its context.
func TestLayerSharesCanceled(t *testing.T) {
	t.Parallel()
	s := &layerShares{}
	s.join([]string{"base"})
	ctx, cancel := context.WithCancel(t.Context())
	waits := 0
	s.wait(ctx, s.join([]string{"base"}), func(string) bool { return false }, func() (end func()) {
		waits++
		cancel()
		return func() { waits-- }
	})
	if waits != 0 {
		t.Error("the wait did not end")
	}
}

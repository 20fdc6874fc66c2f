package provider

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// Each builder has its own limit: the setting, or else one by its cores. A builder whose cores are not known has none.
func TestTurnsByBuilder(t *testing.T) {
	t.Parallel()
	one := 1
	for name, c := range map[string]struct {
		given *int
		cores int
		want  int
	}{
		"the setting":     {given: &one, cores: 2, want: 1},
		"the cores":       {cores: 2, want: 2 * imagesPerCore},
		"cores not known": {want: 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := newTurns(c.given)
			for _, endpoint := range []string{"tcp://a", "tcp://b"} {
				b := builder{endpoint: endpoint, cores: c.cores}
				for range c.want {
					if _, err := all.take(t.Context(), b, func(string) { t.Error("an image waits") }); err != nil {
						t.Error(err)
					}
				}
			}
			b := builder{endpoint: "tcp://b", cores: c.cores}
			canceled, stop := context.WithCancel(t.Context())
			waited := false
			_, err := all.take(canceled, b, func(string) { waited = true; stop() })
			stop()
			if limited := c.want > 0; waited != limited || (err != nil) != limited {
				t.Errorf("waited: %t, %v", waited, err)
			}
		})
	}
}

// Images get their turns in the order in which they ask. One that is canceled takes none.
func TestTurnsAreFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		one := 1
		all, b := newTurns(&one), builder{endpoint: "tcp://a"}
		end, err := all.take(t.Context(), b, func(string) { t.Error("the first image waits") })
		if err != nil {
			t.Fatal(err)
		}
		canceled, stop := context.WithCancel(t.Context())
		var mu sync.Mutex
		var order []int
		for i := range 10 {
			ctx := t.Context()
			if i == 4 {
				ctx = canceled
			}
			go func() {
				end, err := all.take(ctx, b, func(string) {})
				if err != nil {
					return
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				end()
				end() // the second call does nothing
			}()
			synctest.Wait()
		}
		stop()
		synctest.Wait()
		end()
		synctest.Wait()
		if want := []int{0, 1, 2, 3, 5, 6, 7, 8, 9}; !slices.Equal(order, want) {
			t.Errorf("got %v, want %v", order, want)
		}
	})
}

// The platforms of an image that are built on one node have one turn. The last one ends it.
func TestPartsShareATurn(t *testing.T) {
	t.Parallel()
	ended := 0
	ends := shareTurn(func() { ended++ }, 3)
	for i, end := range ends {
		end()
		end()
		if want := i / 2; ended != want {
			t.Errorf("after part %d the turn has ended %d times, want %d", i, ended, want)
		}
	}
}

// The reason that is shown says how many images build where, and which setting decides.
func TestReasonToWait(t *testing.T) {
	t.Parallel()
	three := 3
	for want, all := range map[string]*turns{
		"3 images build on tcp://a:1, as many as maxParallelBuilds allows": newTurns(&three),
		fmt.Sprintf("8 images build on tcp://a:1, %d for each of its cores unless maxParallelBuilds is set",
			imagesPerCore): newTurns(nil),
	} {
		b := builder{endpoint: "tcp://a:1", cores: 2}
		if got := all.reason(b, all.limitFor(b)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

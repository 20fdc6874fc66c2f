package buildkit

import (
	"fmt"
	"sync"
	"testing"
)

// Fifty images on one context are one walk; the next round sees what is on disk then.
func TestWalksAreShared(t *testing.T) {
	t.Parallel()
	var walks Walks
	files := project(t)
	round := func() map[string]bool {
		hashes, trees := map[string]bool{}, map[any]bool{}
		var mu sync.Mutex
		var group sync.WaitGroup
		for i := range 50 {
			group.Go(func() {
				in, err := walks.Load(t.Context(), fmt.Sprint(i), Plan{Files: files, WatchAll: true})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				hashes[in.Hash()] = true
				trees[in.trees[contextSource]] = true
			})
		}
		group.Wait()
		if len(trees) != 1 {
			t.Errorf("%d walks for 50 images", len(trees))
		}
		return hashes
	}
	before := round()
	write(t, files.Context, map[string]string{"main.go": "changed"})
	after := round()
	for hash := range before {
		if len(before) != 1 || len(after) != 1 || after[hash] {
			t.Errorf("before %v, after a change %v", before, after)
		}
	}
}

func TestWalksOfOtherPartsAreTheirOwn(t *testing.T) {
	t.Parallel()
	var walks Walks
	files := project(t)
	whole, err := walks.Load(t.Context(), "a", Plan{Files: files, WatchAll: true})
	if err != nil {
		t.Fatal(err)
	}
	files.Dockerfile, files.Inline = "", []byte("FROM scratch\nCOPY main.go /\n")
	part, err := walks.Load(t.Context(), "b", Plan{Files: files})
	if err != nil {
		t.Fatal(err)
	}
	if part.trees[contextSource].Len() >= whole.trees[contextSource].Len() {
		t.Error("an image got the record of another's part")
	}
}

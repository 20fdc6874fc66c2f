package source

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// What Part says of a tree is what a walk in the narrower scope finds.
func TestPartIsWhatAWalkWouldTake(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"a": "1", "a-b": "22", "d/x.go": "333", "d/y.md": "4444", "d/e/z.go": "55555", "n/m/k": "666666", "n/m/.k": "7777777"})
	whole, err := Scan(t.Context(), dir, Scope{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	patterns := []string{"a", "d", "d/e", "d/*", "**/*.go", "n/m", "n/m/*", "*", "**", "!d/e", "!n/m/k", "!**/*.md", "x", "d/e/z.go"}
	random := rand.New(rand.NewPCG(7, 7))
	some := func() (list []string) {
		for range random.IntN(4) {
			list = append(list, patterns[random.IntN(len(patterns))])
		}
		return list
	}
	for range 300 {
		scope := Scope{Excludes: some(), Includes: some()}
		walked, err := Scan(t.Context(), dir, scope, Options{})
		if err != nil {
			t.Fatal(err)
		}
		entries, bytes, err := whole.Part(scope)
		got, want := fmt.Sprint(entries, bytes, err), fmt.Sprint(walked.Len(), walked.Size(), nil)
		if got != want {
			t.Errorf("%+q: got %s, want %s", scope, got, want)
		}
	}
}

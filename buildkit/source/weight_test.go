package source

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// PartWeight returns the weight of what a scan in the narrower scope takes.
func TestPartWeightIsThatOfAScan(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, map[string]string{
		"a": "1", "a-b": "22", "d/x.go": "333", "d/y.md": "4444", "d/e/z.go": "55555", "n/m/k": "666666",
		"n/m/.k": "7777777",
	})
	whole, err := Scan(t.Context(), dir, Scope{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	patterns := []string{
		"a", "d", "d/e", "d/*", "**/*.go", "n/m", "n/m/*", "*", "**", "!d/e", "!n/m/k", "!**/*.md", "x", "d/e/z.go",
	}
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
		taken, left, err := whole.PartWeight(scope)
		all, _ := walked.Weight()
		if err != nil || taken != all {
			t.Errorf("%+q: got %v, want %v, %v", scope, taken, all, err)
		}
		everything, _ := whole.Weight()
		for _, f := range left {
			taken.Files, taken.Bytes = taken.Files+f.Files, taken.Bytes+f.Bytes
			isBelow := func(p string) bool { return p == f.Name || strings.HasPrefix(p, f.Name+"/") }
			if i := slices.IndexFunc(walked.Paths(), isBelow); i >= 0 {
				t.Errorf("%+q: %s is said to be left, %s is taken", scope, f.Name, walked.Paths()[i])
			}
		}
		if taken != everything {
			t.Errorf("%+q: %v is taken or left, of %v", scope, taken, everything)
		}
	}
}

func TestPartWeightNamesTheOutermostFolders(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, map[string]string{
		"src/app/a": "1", "src/assets/b/c": "22", "src/assets/d": "333", "src/f": "4", "data/x": "55",
	})
	whole, err := Scan(t.Context(), dir, Scope{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, left, err := whole.PartWeight(Scope{Includes: []string{"src/app"}})
	const want = "[{src/assets 2 5} {data 1 2}] 3"
	if got := fmt.Sprint(BiggestFolders(left, 2), len(left)); got != want || err != nil {
		t.Errorf("got %s, want %s, %v", got, want, err)
	}
}

package inputs

import (
	"fmt"
	"testing"
)

// A build that names more paths than can be told apart reads the whole context, and is guarded as such.
func TestManyPathsAreTheWholeContext(t *testing.T) {
	t.Parallel()
	names := func(n int, format string) (paths pathSet) {
		for i := range n {
			paths = append(paths, fmt.Sprintf(format, i))
		}
		return paths
	}
	for name, c := range map[string]struct {
		paths pathSet
		whole bool
	}{
		"as many as are told apart": {names(pathLimit, "f%d"), false},
		"one more":                  {names(pathLimit+1, "f%d"), true},
		"wildcards":                 {names(wildcardLimit, "f%d*"), false},
		"a wildcard more":           {names(wildcardLimit+1, "f%d*"), true},
	} {
		reads := ReadSet{}
		request := localRequest{name: contextSource, paths: c.paths}
		reads.add(request)
		if got := reads[contextSource] == nil; got != c.whole || reads.checkCovers(request) != nil {
			t.Errorf("%s: whole %t, %v", name, got, reads.checkCovers(request))
		}
	}
}

package source

import (
	"bytes"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/canon"
)

// A listing of an earlier version holds fewer bytes of each digest. A file with the same bytes counts as unchanged.
func TestChangesFromAListingByAnEarlierVersion(t *testing.T) {
	t.Parallel()
	tree := FromFiles(map[string][]byte{"a": []byte("1"), "b": []byte("2")})
	former := func(kind byte, marks ...[]byte) (listing []byte) {
		for i, path := range []string{"a", "b"} {
			for _, text := range [][]byte{[]byte(path), {kind}, modeMark(0o644), marks[i]} {
				listing = canon.AppendField(listing, text)
			}
		}
		return listing
	}
	a, b := tree.entries[0].sum, tree.entries[1].sum
	for name, c := range map[string]struct {
		listing []byte
		want    int
	}{
		"this version's": {tree.AppendListing(nil), 0},
		"a former one":   {former('f', a[:8], b[:8]), 0},
		"one changed":    {former('f', a[:8], a[:8]), 1},
		"cut shorter":    {former('f', a[:7], b[:0]), 2},
		"links":          {former('l', a[:8], b[:8]), 2},
		"other ends":     {former('f', append(bytes.Clone(a[:8]), b[8:16]...), b[:16]), 1},
	} {
		changes, ok := tree.Changes(c.listing, func(string) bool { return true })
		if !ok || len(changes) != c.want {
			t.Errorf("%s: %v, %v", name, changes, ok)
		}
	}
}

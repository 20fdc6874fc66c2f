package source

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/canon"
)

// Use is one way in which a build reads a tree: a source of a COPY or ADD instruction, or of a mount.
type Use struct {
	Path      string // slash-separated, from the root, links in it to be followed; "" and "/" are the whole tree
	Wildcards bool   // the path may have some
	Includes  []string
	Excludes  []string // patterns for what is below the path, as BuildKit's copy action has them; see copy.go of fsutil
}

// useLimit is the number of uses that are told apart, and patternsLimit that of the patterns in all of them. Each is
// tried on each file. With more of them every file counts, and also with patterns of which Scan limits the time. The
// limits do not depend on the machine's speed, because the digest must not.
const useLimit, patternsLimit = 500, 200

// SortUses returns each use once, in an order that depends on nothing but the uses.
func SortUses(uses []Use) []Use {
	uses = slices.SortedFunc(slices.Values(uses), func(a, b Use) int { return cmp.Compare(a.key(), b.key()) })
	return slices.CompactFunc(uses, Use.Equal)
}

// CanExclude tells whether uses may leave anything of a tree out. At least one of them must exclude something, and they
// must be few enough to be told apart.
func CanExclude(uses []Use) bool {
	all, excludes := Scope{}, 0
	for _, u := range uses {
		all.Includes = slices.Concat(all.Includes, u.Includes, u.Excludes)
		excludes += len(u.Excludes)
	}
	return excludes > 0 && len(uses) <= useLimit && len(all.Includes) <= patternsLimit && !all.isCostly()
}

// Equal tells whether two uses read the same of any tree because they say the same.
func (u Use) Equal(other Use) bool { return u.key() == other.key() }

// key returns an encoding that no other use has.
func (u Use) key() string {
	path := []string{u.Path, strconv.FormatBool(u.Wildcards), strconv.Itoa(len(u.Includes))}
	key := []byte{}
	for _, part := range slices.Concat(path, u.Includes, u.Excludes) {
		key = canon.AppendField(key, part)
	}
	return string(key)
}

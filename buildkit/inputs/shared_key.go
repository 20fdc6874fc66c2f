package inputs

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/canon"
)

// sharedKey is the base of the key that tells a daemon which earlier transfer to compare a new one with: the one of the
// same scopes of the same folders of the same machine, in which no folder had another mode (see Tree.DirModes).
// With an empty key it would take another project's. Lists have their lengths in front, so that no two scopes have one
// key.
type sharedKey struct{ fields [][]byte }

func newSharedKey() *sharedKey {
	host, _ := os.Hostname() // without a name the paths alone still tell projects apart
	return &sharedKey{fields: [][]byte{[]byte(host)}}
}

// add makes a context and the part of it that is read part of the key.
func (k *sharedKey) add(c localContext, scope source.Scope) {
	dir := c.dir
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	includes := "whole"
	if scope.Includes != nil {
		includes = strconv.Itoa(len(scope.Includes))
	}
	excludes := strconv.Itoa(len(scope.Excludes))
	texts := slices.Concat([]string{c.name, dir, includes}, scope.Includes, []string{excludes}, scope.Excludes)
	for _, text := range texts {
		k.fields = append(k.fields, []byte(text))
	}
}

// String returns the digest of the fields.
func (k *sharedKey) String() string {
	h := sha256.New()
	for _, f := range k.fields {
		canon.WriteField(h, f)
	}
	return hex.EncodeToString(h.Sum(nil))
}

package inputs

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/moby/buildkit/solver/errdefs"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/canon"
)

// Inputs are the recorded local inputs of a build: exactly what is hashed and exactly what is sent.
type Inputs struct {
	Texts
	// Certain is false when it could not be told what the Dockerfile reads, so that whole contexts were taken.
	Certain bool

	files     Files                   // with git contexts pinned
	trees     map[string]*source.Tree // by local source
	predicted Prediction
	contexts  map[string]localContext // by local source
	urls      map[string]string       // of contexts that the daemon fetches, by local source, without logins
	legacy    legacyHash
	baseKey   string // see sharedKey

	keyOnce sync.Once
	key     string // after keyOnce
}

// legacyHash is what a hash of an earlier version covers and a hash of this one does not.
type legacyHash struct {
	logins   bool // of locations
	excluded bool // files that every use of their context excludes
}

// Files returns what the inputs were read from, with git contexts pinned.
func (in *Inputs) Files() Files { return in.files }

// Trees returns the recorded trees by local source.
func (in *Inputs) Trees() map[string]*source.Tree { return in.trees }

// Prediction returns what the build reads of them.
func (in *Inputs) Prediction() Prediction { return in.predicted }

// mayReadSource tells whether the build may read a source at all.
func (in *Inputs) mayReadSource(name string) bool {
	_, isRead := in.predicted.Reads[name]
	return isRead || in.predicted.Reads == nil
}

// usesOf returns how the build uses a local source, as far as the hash heeds it.
func (in *Inputs) usesOf(name string) []source.Use {
	if in.legacy.excluded {
		return nil
	}
	return in.predicted.uses[name]
}

// readTrees returns the trees of the contexts on this machine that are read, without what every use of them excludes.
func (in *Inputs) readTrees() map[string]*source.Tree {
	trees := map[string]*source.Tree{}
	for name := range in.contexts {
		if in.mayReadSource(name) {
			trees[name] = in.trees[name].WithoutExcluded(in.usesOf(name))
		}
	}
	return trees
}

// Hash returns the digest of the inputs, 64 hexadecimal digits. It covers the text of the Dockerfile and, by name, the
// trees of local contexts and the locations of those that the daemon fetches. It does not cover a context that the
// build does not read, nor a file that every use of its context excludes. It is the same on every machine and in every
// checkout.
func (in *Inputs) Hash() string {
	urls := in.urls
	if in.legacy.logins {
		urls = in.files.Remotes()
	}
	h := sha256.New()
	field := func(s string) { canon.WriteField(h, []byte(s)) }
	field("pulumi-buildkit inputs v1")
	canon.WriteField(h, in.Dockerfile)
	if file := in.files.RemoteDockerfile; file != "" && file != defaultName {
		field("dockerfile in context")
		field(file)
	}
	for _, name := range slices.Sorted(maps.Keys(in.contexts)) {
		if !in.mayReadSource(name) {
			continue
		}
		tree := in.trees[name].DigestOf(in.usesOf(name))
		field("directory")
		field(name)
		canon.WriteField(h, tree[:])
	}
	for _, name := range slices.Sorted(maps.Keys(urls)) {
		if !in.mayReadSource(name) {
			continue
		}
		field("location")
		field(name)
		field(urls[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Recognize makes Hash return the given hash if an earlier version had it for the same inputs, so that an upgrade
// builds nothing. It ignores a hash of anything else.
func (in *Inputs) Recognize(hash string) {
	for _, in.legacy = range []legacyHash{{}, {logins: true}, {excluded: true}, {logins: true, excluded: true}} {
		if in.Hash() == hash {
			return
		}
	}
	in.legacy = legacyHash{}
}

// TransferKey returns the key under which a daemon is to keep what it receives of these inputs. The key is made of the
// base and of a secret, which changes before the daemon could take one file for another.
func (in *Inputs) TransferKey(epoch *int64) string {
	in.keyOnce.Do(func() { in.key = source.UserTransfers().Key(in.baseKey, in.trees, epoch) })
	return in.key
}

// MayRead tells whether the build may read what something else writes at path, a file or a folder that need not exist.
// Such a path is in a context or around one, no ignore file leaves it out, and the Dockerfile reads it.
func (in *Inputs) MayRead(ctx context.Context, path string) bool {
	abs, err := filepath.Abs(path)
	if err != nil {
		return true
	}
	for source, c := range in.contexts {
		dir, err := filepath.Abs(c.dir)
		if err != nil {
			return true
		}
		if in.mayReadSource(source) && c.mayRead(ctx, in, dir, abs) {
			return true
		}
	}
	return false
}

// WithIgnoreFile adds to an error about a changed file of a local source how an ignore file leaves that file out. It
// returns any other error as it is.
func (in *Inputs) WithIgnoreFile(err error) error {
	file, ok := errors.AsType[*source.ChangedError](err)
	if !ok {
		return err
	}
	c, ok := in.contexts[file.Source]
	if !ok {
		return err
	}
	return c.withIgnoreFile(err, in.Texts)
}

// EncodingError returns what the error of a build says of the Dockerfile's bytes, or nil. A check before the build
// finds such bytes first, unless only the daemon has the text.
func (in *Inputs) EncodingError(err error) *EncodingError {
	text := in.Source().Text
	if text != nil {
		return encodingErrorOf(err, text).withFile(in.files)
	}
	for _, src := range errdefs.Sources(err) {
		text = append(text, src.GetInfo().GetData()...)
	}
	found := cmp.Or(wideEncoding(text), encodingErrorOf(err, text))
	if found == nil && text == nil && isUnsendable(err) {
		found = &EncodingError{}
	}
	if found != nil {
		found.Remote = true
	}
	return found
}

package inputs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// Inputs are the recorded local inputs of a build: exactly what is hashed and exactly what is sent.
type Inputs struct {
	Definition
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
	key     string // after keyed
}

// Load reads and records the local inputs of a plan: of each context what its ignore file leaves in and, unless the plan
// says otherwise, what the Dockerfile reads; the whole of it when that cannot be told for certain.
//
// Errors name the path that could not be read; an *EncodingError names a text that is not UTF-8.
func Load(ctx context.Context, plan Plan) (*Inputs, error) {
	return (*SharedScans)(nil).Load(ctx, plan)
}

// Load is the function Load, with walks that are shared.
func (w *SharedScans) Load(ctx context.Context, plan Plan) (*Inputs, error) {
	if plan.Pull {
		var err error
		if plan.Files, err = plan.Files.Pin(ctx); err != nil {
			return nil, err
		}
	}
	d, err := readDefinition(ctx, plan.Files)
	if err != nil {
		return nil, err
	}
	in := &Inputs{
		Definition: d, files: plan.Files, contexts: map[string]localContext{}, urls: plan.Files.WithoutLogins().Remotes(),
		trees: map[string]*source.Tree{definitionSource: source.FromFiles(d.frontendFiles())},
	}
	if err := in.predict(ctx, plan); err != nil {
		return nil, err
	}
	all := newSharedKey()
	if plan.Epoch != nil { // or images with and without one would send the context anew by turns
		all.fields = append(all.fields, []byte("epoch"))
	}
	for _, c := range localContexts(plan.Files, d) {
		scope, err := c.scope(ctx, plan.Files, in.predicted.Reads)
		if err != nil {
			return nil, c.withContextName(err)
		}
		in.contexts[c.source] = c
		if in.trees[c.source], err = w.scan(ctx, plan.Files, c.dir, scope); err != nil {
			return nil, c.withContextName(c.withIgnoreFile(err, d))
		}
		if in.mayReadSource(c.source) {
			all.add(c, scope)
			all.fields = append(all.fields, in.trees[c.source].DirModes())
		}
	}
	in.baseKey = all.String()
	return in, nil
}

// Files returns what the inputs were read from, with git contexts pinned.
func (in *Inputs) Files() Files { return in.files }

// Trees returns the recorded trees by local source.
func (in *Inputs) Trees() map[string]*source.Tree { return in.trees }

// Prediction returns what the build reads of them.
func (in *Inputs) Prediction() Prediction { return in.predicted }

// localContext is one build context on this machine.
type localContext struct {
	source, name, dir string // name is "" for the main context
	ignore            []byte
	ignorePath        string
}

// NamedContextError is an error about a named context.
type NamedContextError struct {
	Name string
	err  error
}

func (e *NamedContextError) Error() string { return e.err.Error() }

// Unwrap is the cause.
func (e *NamedContextError) Unwrap() error { return e.err }

func (c localContext) withContextName(err error) error {
	if c.name == "" {
		return err
	}
	return &NamedContextError{Name: c.name, err: err}
}

// localContexts are the main context and then the named ones by their names, without those that the daemon fetches.
func localContexts(files Files, d Definition) []localContext {
	all := []localContext{{source: contextSource, dir: files.Context, ignore: d.Ignore, ignorePath: d.IgnorePath}}
	if IsRemote(files.Context) {
		all = nil
	}
	for _, name := range slices.Sorted(maps.Keys(files.Named)) {
		if !IsRemoteNamed(files.Named[name]) {
			dir := files.Named[name]
			all = append(all, localContext{source: localName(name), name: name, dir: dir, ignore: d.Named[name], ignorePath: filepath.Join(dir, ignoreFile)})
		}
	}
	return all
}

// scope is the part of a context that the build reads; nil reads are all of it. The ignore file of a context that is not
// read is not looked at, whatever it says: BuildKit does not either.
func (c localContext) scope(ctx context.Context, files Files, reads ReadSet) (source.Scope, error) {
	paths, read := reads[c.source]
	if reads != nil && !read {
		return source.Scope{Includes: []string{}}, nil
	}
	excludes, err := ignorePatterns(c.ignore, c.dir, c.ignorePath)
	if err != nil || paths == nil {
		return source.Scope{Excludes: excludes}, err
	}
	root, err := files.open(c.dir)
	if err != nil {
		return source.Scope{}, err
	}
	defer func() { _ = root.Close() }()
	includes, err := source.FollowLinks(ctx, root, paths)
	return source.Scope{Excludes: excludes, Includes: includes}, err
}

// mayReadSource tells whether the build may read a source at all.
func (in *Inputs) mayReadSource(name string) bool {
	_, read := in.predicted.Reads[name]
	return read || in.predicted.Reads == nil
}

// usesOf returns how the build uses a local source, as far as the hash heeds it.
func (in *Inputs) usesOf(name string) []source.Use {
	if in.legacy.excluded {
		return nil
	}
	return in.predicted.uses[name]
}

// Hash is the digest of the inputs, 64 hexadecimal digits: the text of the Dockerfile and, by name, the trees of local
// contexts and the locations of those that the daemon fetches. A context that the build does not read has no say in it, nor
// has a file that every use of its context excludes. It is the same on every machine and in every checkout.
func (in *Inputs) Hash() string {
	urls := in.urls
	if in.legacy.logins {
		urls = in.files.Remotes()
	}
	h := sha256.New()
	field := func(s string) { source.WriteField(h, []byte(s)) }
	field("pulumi-buildkit inputs v1")
	source.WriteField(h, in.Dockerfile)
	for _, name := range slices.Sorted(maps.Keys(in.contexts)) {
		if !in.mayReadSource(name) {
			continue
		}
		tree := in.trees[name].DigestOf(in.usesOf(name))
		field("directory")
		field(name)
		source.WriteField(h, tree[:])
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

// legacyHash is what a hash of an earlier version covers and a hash of this one does not.
type legacyHash struct {
	logins   bool // of locations
	excluded bool // files that every use of their context excludes
}

// Recognize keeps a hash of the same inputs by an earlier version, so that an upgrade builds nothing. A hash of anything else
// is ignored.
func (in *Inputs) Recognize(hash string) {
	for _, in.legacy = range []legacyHash{{}, {logins: true}, {excluded: true}, {logins: true, excluded: true}} {
		if in.Hash() == hash {
			return
		}
	}
	in.legacy = legacyHash{}
}

// TransferKey returns the key under which a daemon is to keep what it receives of these inputs: of the base and of a secret,
// which changes before the daemon could take one file for another.
func (in *Inputs) TransferKey(epoch *int64) string {
	in.keyOnce.Do(func() { in.key = source.UserTransfers().Key(in.baseKey, in.trees, epoch) })
	return in.key
}

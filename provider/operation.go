package provider

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// request is what the engine asks for in one Create or Update.
type request struct {
	urn           resource.URN
	inputs        property.Map // as Check returned them; they also say what is unknown
	old           state        // what was applied before
	oldInputs     property.Map // what the update before wanted
	ignoreChanges []string
	preview       bool
	takesOver     bool // old is what docker-build applied; see takeOver
}

// operation is one Create or Update, with everything that follows from its inputs.
type operation struct {
	request
	args   ImageArgs // where an unknown value is zero
	pinned bool      // ignoreChanges has contextHash: its value is the old one, whatever the files are by now

	hash       string   // the inputs hash
	platforms  []string // canonical
	tags       imageTags
	exports    []export // the enabled ones
	makesImage bool     // somebody gets the image, or it is not known yet whether anybody does
	unchanged  bool     // the state was applied from the same inputs, as far as they shape the image
	plan       inputs.Plan

	whole          bool          // one builder must build all platforms
	secretsChanged bool          // a watched secret has changed, so that no image of before will do
	missing        []export      // whose destination is not on this machine any more
	awaitedBases   []awaitedBase // what a preview takes from the builder
	waits          *waits
	times          *timeline
	keychain       *registry.Keychain
	client         *registry.Client // of the registries of the tags
	onPush         func()           // is called when the builder begins to push, once or more often; nil: nothing
}

// newOperation decodes a request and resolves it. It returns an error if a tag is invalid, or if a tag with {hash}
// would name other files than those that are built.
func newOperation(ctx context.Context, settings *settings, req request) (operation, error) {
	args, err := decodeStored(ctx, req.inputs)
	if err != nil {
		return operation{}, err
	}
	args.Registries = knownElements(req.inputs.Get("registries"), args.Registries)
	args.Registries = withInsecureNames(args, req.inputs)
	args.CacheFrom = knownElements(req.inputs.Get("cacheFrom"), args.CacheFrom)
	op, err := resolveOperation(req, args)
	if err != nil {
		return operation{}, err
	}
	budget := args.pushLimit()
	if req.preview {
		budget = previewLimit
	}
	op.waits, op.times, op.whole = newWaits(ctx), newTimeline(), op.needsOneBuilder()
	op.keychain = settings.keychain(ctx, op.waits, args.Registries)
	op.client = settings.registryClient(ctx, op.waits, op.keychain, budget)
	op.plan.Files.Downloads = &settings.downloads
	op.plan.Insecure = op.keychain.Insecure(op.tags.repositories)
	return op, op.checkPinnedHashTag(op.appliedHash(""))
}

// resolveOperation returns the operation of a request without its connections. The error is about the first invalid
// tag.
func resolveOperation(req request, args ImageArgs) (operation, error) {
	secretsChanged := len(changedSecrets(req.oldInputs, req.inputs)) > 0
	if secretsChanged { // the builder's cache does not tell secrets apart
		args.NoCache = &secretsChanged
	}
	op := operation{
		request:   req,
		args:      args,
		pinned:    ignoreMatcher(req.ignoreChanges)("contextHash"),
		hash:      inputsHash(args),
		platforms: normalizePlatforms(args.Platforms),
		exports:   enabledExports(args),

		secretsChanged: secretsChanged,
	}
	op.missing = missingExports(req.old.outputs, req.inputs, op.exports)
	op.makesImage = makesImage(req.inputs, op.exports)
	op.unchanged = op.isUnchanged()
	var err error
	op.tags, err = resolveTags(req.inputs, args, op.hash)
	op.plan = args.plan(op.tags.repositories)
	op.plan.WithoutImage = !op.makesImage
	if !pushes(req.inputs) && args.hasImageOption("store") {
		op.plan.StoreNames = storeNames(op)
	}
	return op, err
}

// knownElements returns the elements of a decoded list of which everything is known. A build can do without the others:
// caches only save time, and an unknown login is most often for the repository that the same update creates.
func knownElements[T any](given property.Value, decoded []T) (complete []T) {
	if !given.IsArray() {
		return nil
	}
	for i, e := range given.AsArray().All {
		if !e.HasComputed() {
			complete = append(complete, decoded[i])
		}
	}
	return complete
}

// isUnchanged tells whether every input that shapes the image equals what was applied, watched secrets included.
func (op operation) isUnchanged() bool {
	return len(op.changedInputs()) == 0 && op.old.isApplied() && !op.secretsChanged && !op.lacksArchive()
}

// changedInputs returns the names of the inputs that shape the image and differ from what was applied.
func (op operation) changedInputs() (names []string) {
	applied, wanted := withoutVolatile(op.old.outputs, op.inputs)
	for _, in := range inputTable {
		if in.hash == nil || in.name == "contextHash" && op.pinned {
			continue
		}
		if !in.equal(applied, wanted, in.name) {
			names = append(names, in.name)
		}
	}
	return names
}

// appliedHash returns the contextHash for the outputs. built is the hash of the files that were built, or "".
//
// Under ignoreChanges the input keeps the old hash. If the outputs repeated it for an image of newer files, that image
// would look current once the old files return.
func (op operation) appliedHash(built string) string {
	switch {
	case op.pinned && built != "":
		return built
	case op.pinned && op.unchanged:
		return text(op.old.outputs, "contextHash")
	}
	return deref(op.args.ContextHash)
}

// hasImage tells whether the applied image was made of the same inputs.
func (op operation) hasImage() bool { return op.old.digest != "" && op.unchanged }

// isBuilt tells, for a build that makes no image, whether an earlier build of the same inputs has done its work.
func (op operation) isBuilt() bool {
	return op.unchanged || !op.secretsChanged && !hasOtherExports(op.exports) && op.old.hasBuilt(op.hash)
}

// pastDigest returns the digest of an image of the same inputs: the applied one, or one that the state remembers. It
// returns "" if there is none.
//
// The applied one comes first, because the memory has no images of a contextHash that the user set.
func (op operation) pastDigest() string {
	if op.hasImage() {
		return op.old.digest
	}
	if op.secretsChanged || hasOtherExports(op.exports) { // only a build writes them
		return ""
	}
	return op.old.digestFor(op.hash)
}

// withoutOutput returns the operation of a build that leaves nothing behind. The image is written in the same way, and
// an inline cache is part of it.
func (op operation) withoutOutput() operation { return op.withExports(export.isImage) }

// withoutPush does what withoutOutput does, except that the build writes the files that the program asks for: the
// program may read them.
func (op operation) withoutPush() operation {
	build := op.withExports(func(e export) bool { return e.isImage() || e.dest != "" })
	build.exports = withOthersKept(op.old.outputs, build.exports)
	return build
}

// withExports returns the operation of a build with the exports of a choice. It pushes nothing, loads nothing, and
// fills no cache but an inline one.
func (op operation) withExports(chosen func(export) bool) operation {
	op.args.CacheTo = slices.DeleteFunc(slices.Clone(op.args.CacheTo), func(c CacheTo) bool { return c.Inline == nil })
	op.args.Exports = slices.DeleteFunc(slices.Clone(op.args.Exports), func(e Export) bool {
		form, err := e.toExport()
		return err != nil || !chosen(form)
	})
	op.args.Load = nil
	op.exports = enabledExports(op.args)
	op.plan.Repositories, op.plan.Insecure, op.plan.StoreNames = nil, nil, nil
	return op
}

// checkPinnedHashTag returns an error if ignoreChanges keeps a contextHash that differs from the files being built
// while a tag contains {hash}. A contextHash that the user made up, such as a revision, is trusted.
func (op operation) checkPinnedHashTag(built string) error {
	wanted := deref(op.args.ContextHash)
	named := pushes(op.inputs) && namesHash(op.inputs)
	if built == wanted || !computedHash.MatchString(wanted) || !named {
		return nil
	}
	return fmt.Errorf("contextHash is kept as %.12s…, but the files are those of %.12s…: a tag with %s would name "+
		"another image than it says. Take contextHash out of ignoreChanges, or %s out of tags",
		wanted, built, hashMark, hashMark)
}

var computedHash = regexp.MustCompile("^[0-9a-f]{64}$")

// localRef returns the output ref of an image that is not pushed: its first name, by which the engine or the builder
// that has it knows it. It returns "" for an image that is pushed, that has no name or that nobody gets. ok is false if
// the name is not known yet.
func (op operation) localRef() (ref string, ok bool) {
	if !namesKnown(op.inputs) {
		return "", false
	}
	names := namesOf(op.inputs)
	if pushes(op.inputs) || !op.makesImage || len(names) == 0 {
		return "", true
	}
	if !isKnown(op.inputs, imageInputs...) && hashMarks.MatchString(names[0].value.AsString()) {
		return "", false
	}
	return expandMarks(names[0].value.AsString(), op.hash), true
}

// lacksArchive tells whether an archive of an image is missing that is not pushed. The image of the next build is then
// the one that counts.
func (op operation) lacksArchive() bool {
	return !pushes(op.inputs) && slices.ContainsFunc(op.missing, func(e export) bool { return !e.needsNoImage() })
}

// onlyMissing returns the operation of a build that writes what is missing, of an image that is there already. Nothing
// is pushed, and a step that the builder's cache has does not run.
func (op operation) onlyMissing() operation {
	op = op.withExports(func(e export) bool {
		return slices.ContainsFunc(op.missing, func(m export) bool { return m.dest == e.dest })
	})
	op.args.CacheTo, op.plan.TestTargets = nil, nil
	op.plan.NoCache, op.plan.NoCacheOf, op.plan.WithoutImage = false, nil, true
	return op
}

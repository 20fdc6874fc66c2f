package provider

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// How long registries are asked again and again. Who looks only, waits less.
const (
	pushLimit    = 5 * time.Minute // for a push, and for the tagging after it, unless pushTimeout says otherwise
	deleteLimit  = 2 * time.Minute
	readLimit    = 20 * time.Second
	previewLimit = 15 * time.Second
)

// pushLimit is pushTimeout.
func (a ImageArgs) pushLimit() time.Duration {
	if a.PushTimeout == nil {
		return pushLimit
	}
	return time.Duration(*a.PushTimeout) * time.Second
}

// withinLimit bounds what is asked of registries.
func withinLimit(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, &limitError{limit: limit})
}

// apply makes the registry hold what the operation wants: is it there already? → build and push by digest → verify → tags
// last → read back. It can be repeated at any point and converges.
//
// A failure before any tag moved returns an applied without tags; after it, one with the tags that did; one that is unsure
// when that could not be seen.
func (r *imageResource) apply(ctx context.Context, op operation) (applied, error) {
	r.notes.endPreview()
	tags, err := op.tags()
	if err != nil {
		return applied{}, err
	}
	client := r.registryClient(op.waits, op.args.Registries, op.args.pushLimit())
	op.waits.enter("looking for the image in its registries")
	there, err := alreadyThere(ctx, client, op, repositories(tags))
	if err != nil {
		return applied{}, err
	}
	result := applied{digest: there.digest, hash: op.appliedHash(""), manifests: there.manifests, found: there.found, builds: op.old.builds}
	if !there.ok {
		if err := r.checkTags(ctx, client, op, tags); err != nil {
			return applied{}, err
		}
		op.logWithoutImage(ctx)
		built, err := r.build(ctx, op, repositories(tags))
		if err != nil {
			return applied{}, err
		}
		result.digest, result.hash = built.digest, op.appliedHash(built.hash)
		if built.hash == deref(op.args.ContextHash) { // not of other files than a hash given by hand stands for
			result.builds = op.old.remembering(build{inputsHash(op.args), built.digest})
			inputs.UserHistory().Remember(built.hash, built.inputs)
		}
	}
	limit := op.args.pushLimit()
	ctx, stop := context.WithTimeoutCause(ctx, limit, &limitError{limit: limit, input: "pushTimeout"})
	defer stop()
	defer op.waits.bind(ctx)()
	err = r.point(ctx, client, op, &result, tags, !there.ok)
	return result, op.waits.explain(err, result.outcome(op, err))
}

// point verifies a new image and points the tags at it. What came of that is in result.
func (r *imageResource) point(
	ctx context.Context, client *registry.Client, op operation, result *applied, tags []registry.Tag, isNew bool,
) (err error) {
	if isNew {
		op.waits.enter("verifying the image")
		result.manifests, err = verify(ctx, client, result.digest, repositories(tags), op.args)
		if err != nil {
			return err
		}
	}
	if r.engineAlive != nil && !r.engineAlive() {
		return errors.New("the engine that asked for this is gone: no tag was moved")
	}
	op.waits.enter("moving tags")
	result.tags, err = setTags(ctx, client, result.digest, tags)
	result.unsure = errors.Is(err, fault.ErrUnsure) && len(result.tags) == 0 && op.old.digest != ""
	r.claims.add(result.digest, references(result.tags))
	return err
}

// build solves the plan and pushes it by digest to every repository; to none in a preview or when nothing is pushed. The digest
// is empty when nobody gets the image.
func (r *imageResource) build(ctx context.Context, op operation, repositories []string) (image, error) {
	plan := op.args.plan(repositories)
	plan.WithoutImage = !op.makesImage
	plan.Insecure = r.keychain(op.waits, op.args.Registries).Insecure(repositories)
	op.waits.enter(stageBuilding)
	in := r.recorded(op)
	if in == nil {
		var err error
		end := op.waits.begin(contextStage(plan))
		in, err = r.loadInputs(ctx, plan)
		end()
		if err != nil {
			return image{}, explainBuild(err)
		}
		in.Recognize(deref(op.args.ContextHash))
	}
	if err := op.honest(in.Hash()); err != nil {
		return image{}, err
	}
	progress := startProgress(ctx)
	defer progress.stop()
	built, err := r.solve(ctx, op, plan, in, progress)
	return image{digest: built.Digest, hash: in.Hash(), inputs: in}, err
}

// image is what was built, and of which inputs.
type image struct {
	digest string // "" when nobody gets it
	hash   string // of the inputs
	inputs *inputs.Inputs
}

// verify reads the image back from every repository: a registry that took it and kept nothing, or has something else than was asked for,
// is found out before a tag moves. It returns the manifests of the platforms.
func verify(ctx context.Context, client *registry.Client, digest string, repositories []string, args ImageArgs) (found []registry.Manifest, err error) {
	want := registry.Expected{
		Platforms: normalizePlatforms(args.Platforms),
		Attested:  args.provenance() != "" || args.sbom() != "",
		Index:     args.plan(nil).IsIndex(),
	}
	for _, repository := range repositories {
		held, err := client.Verify(ctx, repository, digest, want)
		if err != nil {
			return nil, err
		}
		found = held.Manifests
	}
	return found, nil
}

// setTags points every tag at the digest, repository by repository, and returns those that hold it, in their given order.
func setTags(ctx context.Context, client *registry.Client, digest string, tags []registry.Tag) ([]registry.Tag, error) {
	var holding []registry.Tag
	for _, repository := range repositories(tags) {
		moved, err := client.SetTags(ctx, repository, digest, tagsOf(repository, tags))
		holding = append(holding, moved...)
		if err != nil {
			return inOrder(tags, holding), explainRegistry(err)
		}
	}
	return inOrder(tags, holding), nil
}

func tagsOf(repository string, tags []registry.Tag) []registry.Tag {
	return slices.DeleteFunc(slices.Clone(tags), func(t registry.Tag) bool { return t.Repository() != repository })
}

func inOrder(all, some []registry.Tag) []registry.Tag {
	return slices.DeleteFunc(slices.Clone(all), func(t registry.Tag) bool { return !slices.Contains(some, t) })
}

func logins(given []Registry) []registry.Login {
	out := make([]registry.Login, len(given))
	for i, r := range given {
		out[i] = registry.Login{
			Address: r.Address, Username: deref(r.Username), Password: deref(r.Password), CAFile: deref(r.CAFile), Insecure: deref(r.Insecure),
		}
		if r.CAFile != nil {
			out[i].Project = projectFolder()
		}
	}
	return out
}

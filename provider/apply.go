package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// registryLimit bounds what is asked of registries after the push: verification, tags and reading back.
const registryLimit = 5 * time.Minute

// apply makes the registry hold what the operation wants: is it there already? → build and push by digest → verify → tags
// last → read back. It can be repeated at any point and converges.
//
// A failure before any tag moved returns an applied without tags; after it, one with the tags that did; one that is unsure
// when that could not be seen.
func (r *imageResource) apply(ctx context.Context, op operation) (applied, error) {
	tags, err := op.tags()
	if err != nil {
		return applied{}, err
	}
	client := r.registryClient(op.args.Registries)
	result := applied{hash: op.appliedHash(""), builds: op.old.builds}
	if result.digest, result.manifests, err = alreadyThere(ctx, client, op, repositories(tags)); err != nil {
		return applied{}, err
	}
	if result.digest == "" {
		built, err := r.build(ctx, op, repositories(tags))
		if err != nil {
			return applied{}, err
		}
		result.digest, result.hash = built.digest, op.appliedHash(built.hash)
		if built.hash == deref(op.args.ContextHash) { // not of other files than a hash given by hand stands for
			result.builds = op.old.remembering(build{inputsHash(op.args), built.digest})
			buildkit.UserHistory().Remember(built.hash, built.inputs)
		}
	}
	ctx, stop := context.WithTimeoutCause(ctx, registryLimit, fmt.Errorf("the registry took longer than %s", registryLimit))
	defer stop()
	if result.manifests == nil {
		result.manifests, err = verify(ctx, client, result.digest, repositories(tags), normalizePlatforms(op.args.Platforms))
		if err != nil {
			return result, err
		}
	}
	result.tags, err = setTags(ctx, client, result.digest, tags)
	result.unsure = errors.Is(err, registry.ErrUnsure) && len(result.tags) == 0 && op.old.digest != ""
	return result, err
}

// alreadyThere is the image made of these very inputs that every repository still has, whole; "" when there is none. What is
// not to be pushed need not be anywhere. What cannot be determined is an error: a build could give another digest than the
// one that the preview has shown.
func alreadyThere(ctx context.Context, client *registry.Client, op operation, repositories []string) (string, []registry.Manifest, error) {
	digest := op.knownDigest()
	if digest == "" {
		return "", nil, nil
	}
	manifests, err := verify(ctx, client, digest, repositories, normalizePlatforms(op.args.Platforms))
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrMismatch) {
		return "", nil, nil
	}
	return digest, manifests, err
}

// knownDigest is the image that was made of these very inputs: the one that is applied now, or one that is remembered. The
// first also knows what memory does not, images under a contextHash that was given by hand.
func (op operation) knownDigest() string {
	if op.unchanged() {
		return op.old.digest
	}
	return op.old.digestFor(inputsHash(op.args))
}

// build solves the plan and pushes it by digest to every repository; to none in a preview or when nothing is pushed.
func (r *imageResource) build(ctx context.Context, op operation, repositories []string) (image, error) {
	plan := op.args.plan(repositories)
	in := r.recorded(op)
	if in == nil {
		var err error
		if in, err = buildkit.Load(ctx, plan); err != nil {
			return image{}, err
		}
	}
	progress := startProgress(ctx)
	defer progress.stop()
	built, err := r.solve(ctx, op.args, plan, in, progress)
	return image{digest: built.Digest, hash: in.Hash(), inputs: in}, err
}

// image is what was built, and of which inputs.
type image struct {
	digest string
	hash   string // of the inputs
	inputs *buildkit.Inputs
}

// verify reads the image back from every repository: a registry that took it and kept nothing is found out before a tag
// moves. It returns the manifests of the platforms, which must be those that were asked for.
func verify(ctx context.Context, client *registry.Client, digest string, repositories, platforms []string) (found []registry.Manifest, err error) {
	for _, repository := range repositories {
		held, err := client.Verify(ctx, repository, digest)
		if err != nil {
			return nil, err
		}
		found = held.Manifests
		var got []string
		for _, m := range found {
			got = append(got, m.Platform)
		}
		if len(platforms) > 0 && !slices.Equal(sorted(got), sorted(platforms)) {
			return nil, fmt.Errorf("%s@%s holds %s and not %s as asked for: no tag was moved", repository, digest,
				strings.Join(got, ", "), strings.Join(platforms, ", "))
		}
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
			return inOrder(tags, holding), err
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
		out[i] = registry.Login{Address: r.Address, Username: deref(r.Username), Password: deref(r.Password)}
	}
	return out
}

package provider

import (
	"context"
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
// A failure before any tag moved returns an applied without tags; after it, one with the tags that did.
func (r *imageResource) apply(ctx context.Context, op operation) (applied, error) {
	tags, err := op.tags()
	if err != nil {
		return applied{}, err
	}
	keychain := registry.NewKeychain(logins(op.args.Registries))
	client := registry.New(keychain, registry.Options{})
	hash := inputsHash(op.args)

	digest := r.remembered(ctx, client, op, hash, repositories(tags))
	if digest == "" {
		if digest, err = r.build(ctx, op, keychain, repositories(tags)); err != nil {
			return applied{}, err
		}
	}
	result := applied{digest: digest, builds: op.old.remembering(build{hash, digest})}
	ctx, stop := context.WithTimeoutCause(ctx, registryLimit, fmt.Errorf("the registry took longer than %s", registryLimit))
	defer stop()
	if result.manifests, err = verify(ctx, client, digest, repositories(tags), normalizePlatforms(op.args.Platforms)); err != nil {
		return result, err
	}
	result.tags, err = setTags(ctx, client, digest, tags)
	r.claim(op.urn, result.tags)
	if in := r.recorded(deref(op.args.ContextHash)); in != nil && err == nil {
		buildkit.UserHistory().Remember(deref(op.args.ContextHash), in)
	}
	return result, err
}

// remembered is the digest of an image made of these very inputs that every repository still has; "" when there is none or
// when it could not be determined: building again is then safe.
func (r *imageResource) remembered(ctx context.Context, client *registry.Client, op operation, hash string, repositories []string) string {
	digest := op.old.digestFor(hash)
	if digest == "" || len(repositories) == 0 {
		return ""
	}
	for _, repository := range repositories {
		if found, err := client.Exists(ctx, repository, digest); err != nil || !found {
			return ""
		}
	}
	return digest
}

// build solves the plan and pushes it by digest to every repository; to none in a preview or when nothing is pushed.
func (r *imageResource) build(ctx context.Context, op operation, keychain *registry.Keychain, repositories []string) (string, error) {
	plan := op.args.plan(repositories)
	in := r.recorded(deref(op.args.ContextHash))
	if in == nil { // contextHash was given by hand, or kept by ignoreChanges
		var err error
		if in, err = buildkit.Load(ctx, plan); err != nil {
			return "", err
		}
	}
	progress := startProgress(ctx)
	defer progress.stop()
	built, err := solve(ctx, op.args.Builder, plan, in, keychain, progress)
	return built.Digest, err
}

// verify reads the image back from every repository: a registry that took it and kept nothing is found out before a tag
// moves. It returns the manifests of the platforms, which must be those that were asked for.
func verify(ctx context.Context, client *registry.Client, digest string, repositories, platforms []string) (found []registry.Manifest, err error) {
	for _, repository := range repositories {
		image, err := client.Verify(ctx, repository, digest)
		if err != nil {
			return nil, err
		}
		found = image.Manifests
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

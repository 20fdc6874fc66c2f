package provider

import (
	"context"
	"errors"
	"fmt"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// readImage returns the state with the tags that still hold the image. It returns an empty response if the image is
// gone.
func readImage(ctx context.Context, settings *settings, req p.ReadRequest) (p.ReadResponse, error) {
	ctx, stop := withinLimit(ctx, readLimit)
	defer stop()
	args, err := decodeStored(ctx, req.Inputs)
	if err != nil {
		return p.ReadResponse{}, err
	}
	w := newWaits(ctx)
	client := settings.registryClient(ctx, w, settings.keychain(ctx, w, args.Registries), readLimit)
	old := stateOf(req.Properties)
	if !old.isApplied() {
		res, err := importImage(ctx, client, req)
		return res, w.explain(err, "")
	}
	unchanged := p.ReadResponse{ID: req.ID, Inputs: req.Inputs, Properties: req.Properties}
	if len(old.refs) == 0 { // never pushed: no registry to ask
		return unchanged, nil
	}
	holding, gone, err := readTags(ctx, client, old)
	if err = w.explain(err, ""); err != nil {
		warnOfKeptState(ctx, req, settings.withLoginRemedy(args, err))
		return unchanged, nil
	}
	if gone {
		return p.ReadResponse{}, nil
	}
	if len(holding) == len(old.refs) {
		return unchanged, nil
	}
	return withoutMovedTags(req, old, holding), nil
}

// readTags returns the tags of the state that still hold its image. gone says that no repository has the image any
// more.
func readTags(ctx context.Context, client *registry.Client, old state) (holding []registry.Tag, gone bool, err error) {
	holding, archived, err := findTags(ctx, client, old)
	if archived != nil {
		loggerOf(ctx).warnf("the image is kept in the state, but nobody can pull it: %v", archived)
	}
	if err == nil && len(holding) == 0 {
		gone, err = isGone(ctx, client, old)
	}
	return holding, gone, err
}

// warnOfKeptState logs why Read keeps the state as it is.
func warnOfKeptState(ctx context.Context, req p.ReadRequest, err error) {
	if errors.Is(err, fault.ErrUndetermined) {
		loggerOf(ctx).warnf("the state is kept as it is, because nobody could tell whether the image is gone: %v. "+
			"If it is gone, build it again with pulumi up --replace '%s'", err, req.Urn)
		return
	}
	loggerOf(ctx).warnf("the state is kept as it is, because the registry could not be asked: %v", err)
}

// findTags returns the tags that point at our digest. archived is an error if one of them does, but its image is
// not served: the registry lists it, so it is not gone.
func findTags(
	ctx context.Context, client *registry.Client, old state,
) (holding []registry.Tag, archived, err error) {
	for _, ref := range old.refs {
		tag, err := registry.ParseTag(ref)
		if err != nil {
			return nil, nil, err
		}
		digest, err := client.Resolve(ctx, tag)
		switch {
		case errors.Is(err, fault.ErrArchived):
			if digest == old.digest {
				holding, archived = append(holding, tag), err
			}
		case errors.Is(err, fault.ErrNotFound), errors.Is(err, fault.ErrNoRepository):
		case errors.Is(err, fault.ErrUndetermined):
			if served, _ := client.Exists(ctx, tag.Repository(), old.digest); !served {
				return nil, nil, err
			} // what is served is not archived, and so the tag does not hold it
		case err != nil:
			return nil, nil, err
		case digest == old.digest:
			holding = append(holding, tag)
		}
	}
	return holding, archived, nil
}

// isGone tells whether no repository has the digest any more.
func isGone(ctx context.Context, client *registry.Client, old state) (bool, error) {
	for _, ref := range old.refs {
		tag, err := registry.ParseTag(ref)
		if err != nil {
			return false, err
		}
		if found, err := client.Exists(ctx, tag.Repository(), old.digest); err != nil || found {
			return false, err
		}
	}
	return true, nil
}

// withoutMovedTags returns inputs and outputs without the tags that no longer hold the image.
func withoutMovedTags(req p.ReadRequest, old state, holding []registry.Tag) p.ReadResponse {
	filter := func(m property.Map) property.Map {
		return withNames(m, func(name string) bool { return old.stillHolds(name, holding) })
	}
	outputs := setReferences(filter(req.Properties), old.digest, references(holding), repositories(holding))
	return p.ReadResponse{ID: req.ID, Inputs: filter(req.Inputs), Properties: outputs}
}

// stillHolds tells whether a tag of the program is among those that hold the image. In the state of an earlier version
// {hash} stands for 12 digits, which is no drift.
func (s state) stillHolds(tag string, holding []registry.Tag) bool {
	return isAmong(tag, holding) || isAmong(withFormerMark(tag), holding) && !isAmong(tag, s.tags())
}

// tags returns the references of the state that can be parsed.
func (s state) tags() (tags []registry.Tag) {
	for _, ref := range s.refs {
		if tag, err := registry.ParseTag(ref); err == nil {
			tags = append(tags, tag)
		}
	}
	return tags
}

// importImage reads the ID as a reference, and returns the image that is there.
func importImage(ctx context.Context, client *registry.Client, req p.ReadRequest) (p.ReadResponse, error) {
	tag, err := registry.ParseTag(req.ID)
	if err != nil {
		return p.ReadResponse{}, fmt.Errorf("import takes a reference with a tag as the ID: %w", err)
	}
	digest, err := client.Resolve(ctx, tag)
	if errors.Is(err, fault.ErrNotFound) { // the engine would read an empty response as an image without properties
		return p.ReadResponse{}, fmt.Errorf("there is no such image: %w", err)
	}
	if err != nil {
		return p.ReadResponse{}, err
	}
	image, err := client.Inspect(ctx, tag.Repository(), digest)
	if err != nil {
		return p.ReadResponse{}, err
	}
	inputs := property.NewMap(map[string]property.Value{"tags": list([]string{req.ID})})
	outputs := setReferences(inputs, digest, []string{tag.String()}, []string{tag.Repository()}).
		Set("contextHash", property.New("")).
		Set("manifests", manifestsValue(image.Manifests, []string{tag.Repository()}))
	return p.ReadResponse{ID: req.Urn.Name(), Inputs: inputs, Properties: outputs}, nil
}

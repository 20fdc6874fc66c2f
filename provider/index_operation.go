package provider

import (
	"context"
	"fmt"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// indexOperation is one Create or Update of an index, with everything that follows from its inputs.
type indexOperation struct {
	request
	args     IndexArgs    // where an unknown value is zero
	tag      registry.Tag // the zero Tag if it is not known
	pushes   bool
	promised promises // in a preview, what the other resources will make

	waits  *waits
	client *registry.Client
}

// newIndexOperation decodes a request and resolves it.
func newIndexOperation(ctx context.Context, settings *settings, notes *notes, req request) (indexOperation, error) {
	args, err := decodeStoredIndex(ctx, req.inputs)
	if err != nil {
		return indexOperation{}, err
	}
	op := indexOperation{request: req, args: args, pushes: pushesIndex(req.inputs), waits: newWaits(ctx)}
	if isKnown(req.inputs, "tag") && op.pushes {
		if op.tag, err = registry.ParseTag(args.Tag); err != nil {
			return op, err
		}
	}
	if !isKnown(req.inputs, "registry") {
		op.args.Registry = nil
	}
	budget := pushLimit
	if req.preview {
		budget, op.promised = previewLimit, notes.promisesFor(req.urn)
	}
	keychain := settings.keychain(ctx, op.waits, op.args.registries())
	op.client = settings.registryClient(ctx, op.waits, keychain, budget)
	return op, nil
}

// indexRequest returns what the index is to refer to.
func (op indexOperation) indexRequest(sources []registry.IndexSource) registry.IndexRequest {
	return registry.IndexRequest{
		Sources: sources, Platforms: normalizePlatforms(op.args.Platforms), Annotations: op.args.Annotations,
	}
}

// resolve returns the sources by their digests, and the digests of those with a tag.
func (op indexOperation) resolve(ctx context.Context) ([]registry.IndexSource, map[string]string, error) {
	found := lookUpSources(ctx, op.client, op.args, op.promised)
	sources, digests := []registry.IndexSource{}, map[string]string{}
	for _, source := range op.args.Sources {
		ref, err := registry.ParseReference(source)
		if at, ok := found[source]; ok {
			ref.Digest, err = at.digest, at.err
			digests[source] = at.digest
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", foundPath(op.args, source), explainSource(err))
		}
		sources = append(sources, registry.IndexSource{Repository: ref.Repository(), Digest: ref.Digest})
	}
	return sources, digests, nil
}

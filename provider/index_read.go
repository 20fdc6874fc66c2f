package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// readIndex returns the state, without its tag if that does not hold the index any more. It returns an empty response
// if the index is gone.
func readIndex(ctx context.Context, settings *settings, req p.ReadRequest) (p.ReadResponse, error) {
	ctx, stop := withinLimit(ctx, readLimit)
	defer stop()
	args, err := decodeStoredIndex(ctx, req.Inputs)
	if err != nil {
		return p.ReadResponse{}, err
	}
	w := newWaits(ctx)
	client := settings.registryClient(ctx, w, settings.keychain(ctx, w, args.registries()), readLimit)
	if req.Properties.Get("ref").IsNull() {
		res, err := importIndex(ctx, client, req)
		return res, w.explain(err, "")
	}
	old := indexStateOf(req.Properties)
	unchanged := p.ReadResponse{ID: req.ID, Inputs: req.Inputs, Properties: req.Properties}
	if len(old.refs) == 0 { // never pushed, or its tag is out of the state: no registry to ask
		return unchanged, nil
	}
	holding, gone, err := readTags(ctx, client, old)
	if err = w.explain(err, ""); err != nil {
		warnOfKeptState(ctx, req, settings.withLoginRemedy(ImageArgs{Registries: args.registries()}, err))
		return unchanged, nil
	}
	switch {
	case gone:
		return p.ReadResponse{}, nil
	case len(holding) > 0:
		return unchanged, nil
	}
	loggerOf(ctx).warnf("%s does not hold the index any more; pulumi up puts it back", old.refs[0])
	outputs := setNoIndex(req.Properties.Delete("tag"), property.New(""))
	return p.ReadResponse{ID: req.ID, Inputs: req.Inputs.Delete("tag"), Properties: outputs}, nil
}

// importIndex reads the ID as a reference, and returns the index that is there. Its source is the index itself, so that
// an update changes nothing before the program names others.
func importIndex(ctx context.Context, client *registry.Client, req p.ReadRequest) (p.ReadResponse, error) {
	tag, err := registry.ParseTag(req.ID)
	if err != nil {
		return p.ReadResponse{}, fmt.Errorf("import takes a reference with a tag as the ID: %w", err)
	}
	digest, err := client.Resolve(ctx, tag)
	if errors.Is(err, fault.ErrNotFound) { // the engine would read an empty response as an index without properties
		return p.ReadResponse{}, fmt.Errorf("there is no such index: %w", err)
	}
	if err != nil {
		return p.ReadResponse{}, err
	}
	image, err := client.Inspect(ctx, tag.Repository(), digest)
	if err != nil {
		return p.ReadResponse{}, err
	}
	if !strings.Contains(image.MediaType, "index") && !strings.Contains(image.MediaType, "manifest.list") {
		return p.ReadResponse{}, fmt.Errorf("%s is a single image and no index: import it as a buildkit:index:Image",
			tag)
	}
	inputs := property.NewMap(map[string]property.Value{
		"tag": property.New(req.ID), "sources": list([]string{tag.Repository() + "@" + digest}),
	})
	outputs := setIndex(inputs, tag.String(), tag.Repository(), digest).
		Set("manifests", manifestsValue(image.Manifests, []string{tag.Repository()}))
	return p.ReadResponse{ID: req.Urn.Name(), Inputs: inputs, Properties: outputs}, nil
}

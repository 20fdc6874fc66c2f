package provider

import (
	"context"
	_ "embed"
	"errors"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// Index joins images under one tag. infer derives its schema, its token and the decoding of its inputs from this type.
// indexResource serves the engine.
type Index struct{}

// indexExamples are programs in every language. make sdk writes them.
//
//go:embed index_examples.md
var indexExamples string

// Annotate documents the resource.
func (i *Index) Annotate(an infer.Annotator) {
	an.Describe(i, "An index (manifest list) of images that are in registries already. It joins the images of several "+
		"platforms under one tag, or copies an image to another registry.\n\n"+
		"The sources can be in any repositories and registries; what the repository of the index lacks is copied "+
		"there. A source with a tag is looked up in every preview and update, and a new image behind it is a "+
		"change. Deleting the index removes its tag, and no image.\n\n"+indexExamples)
}

// Create returns an error. infer needs the method, but indexResource serves every request.
func (*Index) Create(context.Context, infer.CreateRequest[IndexArgs]) (infer.CreateResponse[IndexState], error) {
	return infer.CreateResponse[IndexState]{}, errors.ErrUnsupported
}

// indexResource serves the engine on property maps. One instance serves all indexes of a run, several at the same time.
type indexResource struct {
	infer.InferredResource
	settings     *settings
	recentPushes *recentPushes // shared with the images
	programRefs  *programRefs  // shared with the images
	notes        *notes        // shared with the images
}

// newIndexResource returns the resource of a provider that has images too.
func newIndexResource(images *imageResource) *indexResource {
	return &indexResource{
		InferredResource: infer.Resource(&Index{}),
		settings:         images.settings,
		recentPushes:     images.recentPushes,
		programRefs:      images.programRefs,
		notes:            images.notes,
	}
}

// Create makes the index and tags it. In a preview it says what it would do.
func (r *indexResource) Create(ctx context.Context, req p.CreateRequest) (p.CreateResponse, error) {
	outputs, partial, err := r.run(ctx, request{urn: req.Urn, inputs: req.Properties, preview: req.DryRun})
	return p.CreateResponse{ID: createdID(req), Properties: outputs, PartialState: partial}, err
}

// Update does the same as Create, and knows the state.
func (r *indexResource) Update(ctx context.Context, req p.UpdateRequest) (p.UpdateResponse, error) {
	outputs, partial, err := r.run(ctx, request{
		urn: req.Urn, inputs: req.Inputs, old: indexStateOf(req.State), preview: req.DryRun,
	})
	return p.UpdateResponse{Properties: outputs, PartialState: partial}, err
}

// run previews or applies a request.
func (r *indexResource) run(ctx context.Context, req request) (property.Map, *p.InitializationFailed, error) {
	op, err := newIndexOperation(ctx, r.settings, r.notes, req)
	if err != nil {
		return property.Map{}, nil, err
	}
	if req.preview {
		outputs, err := op.preview(ctx, r.notes)
		return outputs, nil, op.waits.explain(err, "")
	}
	result, err := r.apply(ctx, op)
	err = op.waits.explain(err, result.outcome(op, err))
	return result.outputs(op), result.partial(err), err
}

// Diff compares the outputs with the new inputs. It uses no disk and no network. A change is always an update, never a
// replacement.
func (r *indexResource) Diff(_ context.Context, req p.DiffRequest) (p.DiffResponse, error) {
	changes := diffIndex(req.State, req.Inputs, req.IgnoreChanges)
	hasChanges := len(changes) > 0 || isDockerBuildIndex(req.State)
	if !hasChanges {
		r.programRefs.add(req.Urn, indexStateOf(req.State).refs)
		r.notes.dropPromise(req.Urn)
	}
	return p.DiffResponse{HasChanges: hasChanges, DetailedDiff: changes}, nil
}

// Read asks the registry for the index. It is gone only if the registry says so. After any other failure Read keeps the
// state and warns.
//
// A tag that somebody moved or removed is left out of the inputs and outputs, so the next update puts it back.
func (r *indexResource) Read(ctx context.Context, req p.ReadRequest) (p.ReadResponse, error) {
	return readIndex(ctx, r.settings, req)
}

// Delete removes the tag if it still points at our index. The images stay.
//
// A tag stays that this run has pointed at the same index for another resource, or that the program has by now.
func (r *indexResource) Delete(ctx context.Context, req p.DeleteRequest) error {
	r.notes.dropAllPromises()
	return deleteIndexTag(ctx, r.settings, req, func(ref, digest string) bool {
		return r.recentPushes.holds(ref, digest) || r.programRefs.has(ref)
	})
}

// apply makes the registry hold the index under its tag. It reads the sources, copies what the repository lacks, stores
// the index by its digest, and moves the tag last. apply can be repeated at any point and converges.
//
// If it fails before the tag moved, it returns an indexResult without a tag. The field unsure is set when nobody knows
// whether the tag moved.
func (r *indexResource) apply(ctx context.Context, op indexOperation) (indexResult, error) {
	r.notes.dropAllPromises()
	if !op.pushes {
		return indexResult{}, nil
	}
	op.waits.enter("reading the sources")
	sources, digests, err := op.resolve(ctx)
	if err != nil {
		return indexResult{}, err
	}
	index, err := op.client.Combine(ctx, op.indexRequest(sources))
	if err != nil {
		return indexResult{}, explainSource(err)
	}
	result := indexResult{index: index, sourceDigests: digests}
	tags := []registry.Tag{op.tag}
	if err := op.client.CheckTags(ctx, op.tag.Repository(), tags, index.Digest); err != nil {
		return result, err
	}
	op.waits.enter("copying the images to " + op.tag.Repository())
	op.waits.notePush()
	if err := op.client.PushIndex(ctx, op.tag.Repository(), index); err != nil {
		return result, err
	}
	return result, r.moveTag(ctx, op, &result)
}

// moveTag points the tag at the index. It records in the result whether the tag holds it.
func (r *indexResource) moveTag(ctx context.Context, op indexOperation, result *indexResult) error {
	if alive := r.settings.engineAlive; alive != nil && !alive() {
		return errors.New("the engine that asked for this is gone: no tag was moved")
	}
	op.waits.enter("moving the tag")
	limited, stop := withinLimit(ctx, pushLimit)
	defer stop()
	defer op.waits.bind(limited)()
	tags := []registry.Tag{op.tag}
	moved, err := op.client.SetTags(limited, op.tag.Repository(), result.index.Digest, tags)
	result.moved = len(moved) > 0
	result.unsure = errors.Is(err, fault.ErrUnsure) && op.old.digest != ""
	r.recentPushes.add(result.index.Digest, references(moved))
	return op.waits.explain(err, result.outcome(op, err))
}

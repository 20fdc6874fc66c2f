package provider

import (
	"context"
	_ "embed"
	"errors"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// Image builds a container image and pushes it. infer derives its schema, its token and the decoding of its inputs from
// this type. imageResource serves the engine.
type Image struct{}

// imageExamples are programs in every language. make sdk writes them.
//
//go:embed image_examples.md
var imageExamples string

// Annotate documents the resource.
func (i *Image) Annotate(an infer.Annotator) {
	an.Describe(i, "A container image that BuildKit builds from a Dockerfile for one or several platforms, and "+
		"pushes to a registry.\n\n"+
		"An update builds the image only if something changed that the build reads: the Dockerfile, a file of the "+
		"build context that no ignore file leaves out, a build argument, the target, the platforms or the "+
		"labels.\n\n"+imageExamples)
}

// Create returns an error. infer needs the method, but imageResource serves every request.
func (*Image) Create(context.Context, infer.CreateRequest[ImageArgs]) (infer.CreateResponse[ImageState], error) {
	return infer.CreateResponse[ImageState]{}, errors.ErrUnsupported
}

// imageResource serves the engine on property maps. One instance serves all images of a run, several at the same time.
type imageResource struct {
	infer.InferredResource
	settings     *settings
	loader       *inputsLoader
	notes        *notes          // of the images of the program
	unpushed     *unpushedImages // of previews
	recentPushes *recentPushes   // Delete keeps them,
	programRefs  *programRefs    // and these
}

func newImageResource(settings *settings) *imageResource {
	return &imageResource{
		InferredResource: infer.Resource(&Image{}),
		settings:         settings,
		loader:           newInputsLoader(),
		notes:            newNotes(),
		unpushed:         &unpushedImages{},
		recentPushes:     newRecentPushes(),
		programRefs:      newProgramRefs(),
	}
}

// Create builds and pushes the image. In a preview it says what it would do.
func (r *imageResource) Create(ctx context.Context, req p.CreateRequest) (p.CreateResponse, error) {
	outputs, partial, err := r.run(ctx, request{urn: req.Urn, inputs: req.Properties, preview: req.DryRun})
	return p.CreateResponse{ID: createdID(req), Properties: outputs, PartialState: partial}, err
}

// createdID returns the ID of a new resource, which is its name. In a preview it is unknown, so that the engine holds
// back the functions which read what the update will push.
func createdID(req p.CreateRequest) string {
	if req.DryRun {
		return ""
	}
	return req.Urn.Name()
}

// Update does the same as Create, and knows the state.
func (r *imageResource) Update(ctx context.Context, req p.UpdateRequest) (p.UpdateResponse, error) {
	outputs, partial, err := r.run(ctx, request{
		urn:           req.Urn,
		inputs:        req.Inputs,
		old:           stateOf(takeOver(req.State, req.Inputs)),
		takesOver:     isDockerBuildState(req.State),
		oldInputs:     req.OldInputs,
		ignoreChanges: req.IgnoreChanges,
		preview:       req.DryRun,
	})
	return p.UpdateResponse{Properties: outputs, PartialState: partial}, err
}

// run previews or applies a request.
func (r *imageResource) run(ctx context.Context, req request) (property.Map, *p.InitializationFailed, error) {
	defer r.loader.drop(req.urn)
	op, err := newOperation(ctx, r.settings, req)
	if err != nil {
		return property.Map{}, nil, err
	}
	if req.preview {
		outputs, err := r.preview(ctx, op)
		return outputs, nil, op.waits.explain(err, "")
	}
	result, err := r.apply(ctx, op)
	err = op.waits.explain(err, result.outcome(op, err))
	return result.outputs(op), result.partial(err), err
}

// Diff compares the outputs with the new inputs. It uses no disk and no network. A change is always an update, never a
// replacement.
//
// An unchanged image keeps its references. They may differ from those that its inputs give now, because an earlier
// version replaced {hash} by 12 digits.
func (r *imageResource) Diff(ctx context.Context, req p.DiffRequest) (p.DiffResponse, error) {
	changes := diffInputs(ctx, req.State, req.OldInputs, req.Inputs, req.IgnoreChanges)
	if len(changes) == 0 {
		r.programRefs.add(req.Urn, texts(req.State, "refs"))
		r.notes.dropPromise(req.Urn)
		r.loader.drop(req.Urn)
	}
	return p.DiffResponse{HasChanges: len(changes) > 0, DetailedDiff: changes}, nil
}

// Read asks the registry for the image. The image is gone only if the registry says so. After any other failure Read
// keeps the state and warns.
//
// A tag that somebody moved or removed is left out of the inputs and outputs, so the next update puts it back.
func (r *imageResource) Read(ctx context.Context, req p.ReadRequest) (p.ReadResponse, error) {
	return readImage(ctx, r.settings, req)
}

// Delete removes the tags that we pushed and that still point at our digest. It reports every failure.
//
// Three kinds of tags stay: tags that hold another digest, a tag with {hash} that somebody else pushed before us, and
// one that another image of the program has by now.
func (r *imageResource) Delete(ctx context.Context, req p.DeleteRequest) error {
	r.notes.dropAllPromises()
	return deleteTags(ctx, r.settings, req, func(ref, digest string) bool {
		return r.recentPushes.holds(ref, digest) || r.programRefs.has(ref)
	})
}

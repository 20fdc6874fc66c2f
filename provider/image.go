package provider

import (
	"context"
	_ "embed"
	"errors"
	"sync"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
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
	scans        inputs.SharedScans // of the build contexts of all images
	recentPushes *recentPushes      // what Delete spares
	notes        *notes             // of the images of the program
	// leftOut holds the absolute paths of files that Check logged as left out, so that it logs each once.
	leftOut sync.Map

	mu          sync.Mutex
	checked     map[resource.URN]checkedInputs // what Check recorded: the build sends that very record
	programRefs map[resource.URN][]string      // the references of each image of the program that runs; see Delete
}

// checkedInputs is what Check recorded of the files of one image, and its hash.
type checkedInputs struct {
	hash   string
	inputs *inputs.Inputs
}

func newImageResource(settings *settings) *imageResource {
	return &imageResource{
		InferredResource: infer.Resource(&Image{}),
		settings:         settings,
		recentPushes:     newRecentPushes(),
		notes:            newNotes(),
		checked:          map[resource.URN]checkedInputs{},
		programRefs:      map[resource.URN][]string{},
	}
}

// Create builds and pushes the image. In a preview it says what it would do.
func (r *imageResource) Create(ctx context.Context, req p.CreateRequest) (p.CreateResponse, error) {
	outputs, partial, err := r.run(ctx, request{urn: req.Urn, inputs: req.Properties, preview: req.DryRun})
	return p.CreateResponse{ID: req.Urn.Name(), Properties: outputs, PartialState: partial}, err
}

// Update does the same as Create, and knows the state.
func (r *imageResource) Update(ctx context.Context, req p.UpdateRequest) (p.UpdateResponse, error) {
	outputs, partial, err := r.run(ctx, request{
		urn:           req.Urn,
		inputs:        req.Inputs,
		old:           stateOf(req.State),
		ignoreChanges: req.IgnoreChanges,
		preview:       req.DryRun,
	})
	return p.UpdateResponse{Properties: outputs, PartialState: partial}, err
}

// run previews or applies a request.
func (r *imageResource) run(ctx context.Context, req request) (property.Map, *p.InitializationFailed, error) {
	op, err := r.newOperation(ctx, req)
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

// rememberInputs keeps what Check recorded, for a build in this process. With nil it forgets the image.
func (r *imageResource) rememberInputs(urn resource.URN, hash string, in *inputs.Inputs) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checked[urn] = checkedInputs{hash: hash, inputs: in}
}

// inputsFromCheck returns what Check recorded of this image under this hash. It returns nil if the user set the hash,
// if ignoreChanges keeps it, or if another process checked.
func (r *imageResource) inputsFromCheck(op operation) *inputs.Inputs {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.checked[op.urn]; l.hash == deref(op.args.ContextHash) {
		return l.inputs
	}
	return nil
}

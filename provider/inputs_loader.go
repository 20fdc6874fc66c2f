package provider

import (
	"context"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// inputsLoader reads and hashes the local inputs of all images. It keeps those that Check loaded, so that the build
// sends the very files that were hashed.
type inputsLoader struct {
	scans inputs.SharedScans // of the build contexts of all images
	// leftOut holds the absolute paths of files that were logged as left out, so that each is logged once.
	leftOut sync.Map

	mu      sync.Mutex
	checked map[resource.URN]checkedInputs
}

// checkedInputs are the inputs of one image that Check loaded, and their hash.
type checkedInputs struct {
	hash   string
	inputs *inputs.Inputs
}

func newInputsLoader() *inputsLoader { return &inputsLoader{checked: map[resource.URN]checkedInputs{}} }

// load reads and hashes the local inputs of a plan. Its errors have their remedies. It logs once per run that a path is
// left out.
func (l *inputsLoader) load(ctx context.Context, plan inputs.Plan) (*inputs.Inputs, error) {
	plan.Files.Reserved = reservedPaths(ctx)
	in, err := l.scans.Load(ctx, plan, newDebugLog(ctx))
	if err != nil {
		return nil, explainContext(err)
	}
	for _, path := range in.ReservedPaths() {
		if _, logged := l.leftOut.LoadOrStore(path, true); !logged {
			loggerOf(ctx).infof("%s is left out of the build context: Pulumi keeps its state, plugins or credentials "+
				"there", path)
		}
	}
	return in, nil
}

// keep stores the inputs that Check loaded, for a build in this process. With nil it forgets those of the image.
func (l *inputsLoader) keep(urn resource.URN, hash string, in *inputs.Inputs) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checked[urn] = checkedInputs{hash: hash, inputs: in}
}

// drop forgets the inputs of an image that needs no build any more, so that the memory does not grow with the images.
func (l *inputsLoader) drop(urn resource.URN) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.checked, urn)
}

// fromCheck returns the inputs that Check loaded for this image, if their hash is its contextHash. It returns nil if
// the user set the hash, if ignoreChanges keeps it, or if another process checked.
func (l *inputsLoader) fromCheck(op operation) *inputs.Inputs {
	l.mu.Lock()
	defer l.mu.Unlock()
	if checked := l.checked[op.urn]; checked.hash == deref(op.args.ContextHash) {
		return checked.inputs
	}
	return nil
}

// loadForBuild returns the inputs that Check loaded, or else loads them now.
func (l *inputsLoader) loadForBuild(ctx context.Context, op operation) (*inputs.Inputs, error) {
	if in := l.fromCheck(op); in != nil {
		return in, nil
	}
	defer op.waits.begin(contextStage(op.plan))()
	defer op.times.begin(contextStage(op.plan))()
	in, err := l.load(ctx, op.plan)
	if err != nil {
		return nil, err
	}
	in.Recognize(deref(op.args.ContextHash))
	return in, nil
}

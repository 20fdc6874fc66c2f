package provider

import (
	"errors"
	"fmt"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// indexResult is what apply has done so far.
type indexResult struct {
	index         registry.Index
	sourceDigests map[string]string
	moved         bool // the tag holds the index now
	unsure        bool // whether the tag that was applied before has moved is not known
}

// outputs returns the inputs as they were applied, and the digests. If nobody knows whether the tag moved, it returns
// the old outputs.
func (a indexResult) outputs(op indexOperation) property.Map {
	if a.unsure {
		return op.old.outputs
	}
	out := mirrorIndex(op.inputs)
	if !op.pushes {
		return setNoIndex(out, property.New(op.args.Tag))
	}
	if len(a.sourceDigests) > 0 {
		digests := map[string]property.Value{}
		for source, digest := range a.sourceDigests {
			digests[source] = property.New(digest)
		}
		out = out.Set("sourceDigests", property.New(digests))
	}
	repository := op.tag.Repository()
	return setIndex(out, op.tag.String(), repository, a.index.Digest).
		Set("manifests", manifestsValue(a.index.Manifests, []string{repository}))
}

// partial returns why the operation is not complete although the tag may have moved. It returns nil if the tag did not
// move. After a partial update the engine updates again, even if nothing differs.
func (a indexResult) partial(err error) *p.InitializationFailed {
	if err == nil || !a.unsure {
		return nil
	}
	return &p.InitializationFailed{Reasons: []string{explainRegistry(err).Error()}}
}

// outcome returns what a stopped operation has done, as far as that is known. It returns "" for one without a push.
func (a indexResult) outcome(op indexOperation, err error) string {
	switch {
	case !op.pushes:
		return ""
	case a.moved:
		return fmt.Sprintf("%s holds the index", op.tag)
	case errors.Is(err, fault.ErrUnsure):
		return fmt.Sprintf("whether %s moved is not known", op.tag)
	case op.waits.hasPushed():
		return "a part of the index may have been pushed, and the tag did not move"
	}
	return "nothing was pushed and the tag did not move"
}

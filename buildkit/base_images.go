package buildkit

import (
	"context"
	"strings"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// BaseImage is an image whose layers are the first ones of an image that is built on it.
type BaseImage struct {
	Repository string // canonical host/path
	Digest     string // of the image, or of an index that has it
	Platform   string // of the image, such as "linux/arm64"
}

// basesOf returns the base images of a result, one for each platform and each of them once. It leaves out those that it
// cannot tell, such as images without a digest.
func basesOf(ctx context.Context, result *gateway.Result) []BaseImage {
	var bases []BaseImage
	seen := map[BaseImage]bool{}
	_ = result.EachRef(func(ref gateway.Reference) error {
		state, err := ref.ToState()
		if err != nil {
			return nil //nolint:nilerr // an old daemon does not tell
		}
		definition, err := state.Marshal(ctx)
		if err != nil {
			return nil //nolint:nilerr // the daemon has the definition, and judges it
		}
		if base, ok := baseOf(definition.ToPB()); ok && !seen[base] {
			seen[base] = true
			bases = append(bases, base)
		}
		return nil
	})
	return bases
}

// baseOf returns the image with which the layers of a definition begin. ok is false if there is none.
func baseOf(definition *pb.Definition) (base BaseImage, ok bool) {
	ops := map[string]*pb.Op{}
	var last *pb.Op
	for _, data := range definition.GetDef() {
		var op pb.Op
		if op.UnmarshalVT(data) != nil {
			return BaseImage{}, false
		}
		ops[digest.FromBytes(data).String()], last = &op, &op
	}
	if len(last.GetInputs()) == 0 { // the last one only names the result
		return BaseImage{}, false
	}
	at := last.Inputs[0]
	for range definition.Def {
		op := ops[at.Digest]
		if source := op.GetSource(); source != nil {
			return newBaseImage(source, op.Platform)
		}
		if at = rootInput(op, at.Index); at == nil {
			break
		}
	}
	return BaseImage{}, false
}

// rootInput returns the input of an operation to which its output adds layers, or nil.
func rootInput(op *pb.Op, output int64) *pb.Input {
	number := int64(-1)
	switch kind := op.GetOp().(type) {
	case *pb.Op_Exec:
		for _, m := range kind.Exec.Mounts {
			if m.Output == output {
				number = m.Input
			}
		}
	case *pb.Op_File:
		number = rootOfFiles(kind.File, int64(len(op.Inputs)), output)
	case *pb.Op_Merge:
		if len(kind.Merge.Inputs) > 0 {
			number = kind.Merge.Inputs[0].Input
		}
	}
	if number < 0 || number >= int64(len(op.Inputs)) {
		return nil
	}
	return op.Inputs[number]
}

// rootOfFiles returns the number of the input to which the actions of a file operation add. The numbers from inputs on
// stand for the results of the actions.
func rootOfFiles(files *pb.FileOp, inputs, output int64) int64 {
	number := int64(-1)
	for i, action := range files.Actions {
		if action.Output == output {
			number = inputs + int64(i)
		}
	}
	for number >= inputs { // each action builds on an input or on an action before it
		next := files.Actions[number-inputs].Input
		if next >= number {
			return -1
		}
		number = next
	}
	return number
}

// newBaseImage returns the image of a source. ok is false for another source, and for an image without a digest.
func newBaseImage(source *pb.SourceOp, platform *pb.Platform) (base BaseImage, ok bool) {
	ref, isImage := strings.CutPrefix(source.Identifier, inputs.ImageScheme)
	named, err := reference.ParseNormalizedNamed(ref)
	if !isImage || err != nil || platform == nil {
		return BaseImage{}, false
	}
	fixed, ok := named.(reference.Digested)
	if !ok {
		return BaseImage{}, false
	}
	p := ocispecs.Platform{OS: platform.OS, Architecture: platform.Architecture, Variant: platform.Variant}
	return BaseImage{
		Repository: named.Name(),
		Digest:     fixed.Digest().String(),
		Platform:   platforms.Format(platforms.Normalize(p)),
	}, true
}

package inputs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/dockerfile"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// dryGateway answers the Dockerfile frontend without a daemon. It records which local sources and which images the
// frontend asks for. Nothing is built.
type dryGateway struct {
	source    dockerfile.Source
	planFiles Files
	options   map[string]string
	files     map[string]map[string][]byte // of local sources that the frontend itself reads from, by source
	baseEnv   []string                     // of every base image
	platform  ocispecs.Platform            // of the builder

	mu             sync.Mutex
	requests       []localRequest
	imagesByTag    map[string]bool // canonical references of images that are named without a digest
	imagesByDigest map[string]bool // repository@digest of images that are named by their digest
	transcript     bytes.Buffer    // all definitions and references, one after the other
	hasNUL         bool            // a step has a NUL byte: see hasNULStep
}

// NewDryGateway returns a gateway that answers the Dockerfile frontend without a daemon of that platform. Nothing is
// built. A limit of steps changes nothing that a build reads, so the frontend is told of none.
func NewDryGateway(plan Plan, texts Texts, builderPlatform string) gateway.Client {
	return newDryGateway(plan, texts, builderPlatform)
}

func newDryGateway(plan Plan, texts Texts, builderPlatform string) *dryGateway {
	plan.Limits = Limits{}
	g := &dryGateway{
		source:         texts.Source(),
		planFiles:      plan.Files,
		options:        plan.FrontendOptions(texts),
		files:          map[string]map[string][]byte{dockerfileSource: texts.frontendFiles(), contextSource: {}},
		platform:       platforms.MustParse(builderPlatform),
		imagesByTag:    map[string]bool{},
		imagesByDigest: map[string]bool{},
	}
	g.source.Dry = true
	for name, ignore := range texts.Named {
		g.files[namedContextSource(name)] = map[string][]byte{}
		if ignore != nil {
			g.files[namedContextSource(name)][ignoreFile] = ignore
		}
	}
	return g
}

// reads returns what all requests read together.
func (g *dryGateway) reads() ReadSet {
	g.mu.Lock()
	defer g.mu.Unlock()
	sum := ReadSet{}
	for _, r := range g.requests {
		sum.add(r)
	}
	return sum
}

// uses returns what all requests use together.
func (g *dryGateway) uses() useSet {
	g.mu.Lock()
	defer g.mu.Unlock()
	sum := useSet{}
	for _, r := range g.requests {
		sum.add(r)
	}
	return sum.normalize()
}

// nulError returns an error if the Dockerfile has a NUL byte that reaches a step, or nil.
func (g *dryGateway) nulError() *EncodingError {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.hasNUL {
		return nil
	}
	return findWrongLine(g.source.Text, nulByte)
}

// Solve records the local sources of a definition. It returns a result from which the frontend can read as far as it
// does. The frontend calls it in goroutines of its own, as it does ResolveSourceMetadata.
func (g *dryGateway) Solve(_ context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	return rescue.Value(func() (*gateway.Result, error) { return g.solve(req) })
}

func (g *dryGateway) solve(req gateway.SolveRequest) (*gateway.Result, error) {
	if req.Frontend != "" {
		image := req.FrontendOpt["source"]
		return nil, fmt.Errorf("%w: the frontend %s would interpret the Dockerfile", errUncertain, image)
	}
	requests, err := localRequests(req.Definition)
	if err != nil {
		return nil, err
	}
	ref := &dryReference{}
	for _, r := range requests {
		ref.files = g.files[r.name]
	}
	g.mu.Lock()
	g.requests = append(g.requests, requests...)
	g.transcript.Write(bytes.Join(req.Definition.GetDef(), nil))
	g.hasNUL = g.hasNUL || bytes.IndexByte(g.source.Text, 0) >= 0 && hasNULStep(req.Definition)
	g.mu.Unlock()
	result := gateway.NewResult()
	result.SetRef(ref)
	return result, nil
}

// ResolveSourceMetadata returns a stub of a configuration for every base image.
func (g *dryGateway) ResolveSourceMetadata(
	_ context.Context, op *pb.SourceOp, opt sourceresolver.Opt,
) (*sourceresolver.MetaResponse, error) {
	return rescue.Value(func() (*sourceresolver.MetaResponse, error) { return g.baseImage(op, opt) })
}

func (g *dryGateway) baseImage(op *pb.SourceOp, opt sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	g.recordSource(op.GetIdentifier())
	image := ocispecs.Image{
		Platform: g.platform,
		Config:   ocispecs.ImageConfig{Env: g.baseEnv, Cmd: []string{"scan"}}, // a scanner has a command
	}
	if opt.ImageOpt != nil && opt.ImageOpt.Platform != nil {
		image.Platform = *opt.ImageOpt.Platform
	}
	config, err := json.Marshal(image)
	if err != nil {
		return nil, err
	}
	resolved := &sourceresolver.ResolveImageResponse{Digest: digest.FromBytes(config), Config: config}
	return &sourceresolver.MetaResponse{Op: op, Image: resolved}, nil
}

// recordSource records a source that the frontend asks for, and which base image it is, if it is one.
func (g *dryGateway) recordSource(source string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.transcript.WriteString(source)
	ref, isImage := strings.CutPrefix(source, ImageScheme)
	named, err := reference.ParseNormalizedNamed(ref)
	if !isImage || err != nil {
		return
	}
	if digested, ok := named.(reference.Digested); ok {
		g.imagesByDigest[named.Name()+"@"+digested.Digest().String()] = true
		return
	}
	g.imagesByTag[reference.TagNameOnly(named).String()] = true
}

// ResolveImageConfig does what ResolveSourceMetadata does, for older frontends.
func (g *dryGateway) ResolveImageConfig(
	ctx context.Context, ref string, opt sourceresolver.Opt,
) (string, digest.Digest, []byte, error) {
	meta, err := g.ResolveSourceMetadata(ctx, &pb.SourceOp{Identifier: ImageScheme + ref}, opt)
	if err != nil {
		return "", "", nil, err
	}
	return ref, meta.Image.Digest, meta.Image.Config, nil
}

// BuildOpts returns the options of a daemon that can do everything.
func (g *dryGateway) BuildOpts() gateway.BuildOpts {
	return gateway.BuildOpts{
		Opts:      g.options,
		SessionID: "dry",
		Workers:   []gateway.WorkerInfo{{Platforms: []ocispecs.Platform{g.platform}}},
		LLBCaps:   pb.Caps.CapSet(pb.Caps.All()),
		Caps:      gatewaypb.Caps.CapSet(gatewaypb.Caps.All()),
	}
}

// Inputs returns nothing: inputs belong to frontends that call each other.
func (g *dryGateway) Inputs(context.Context) (map[string]llb.State, error) { return nil, nil }

// NewContainer refuses: no Dockerfile needs one.
func (g *dryGateway) NewContainer(context.Context, gateway.NewContainerRequest) (gateway.Container, error) {
	return nil, errUncertain
}

// Warn drops the warning: nobody watches a dry run.
func (g *dryGateway) Warn(context.Context, digest.Digest, string, gateway.WarnOpts) error { return nil }

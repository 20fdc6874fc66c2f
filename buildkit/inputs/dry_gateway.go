package inputs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/containerd/platforms"
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

// dryGateway answers the Dockerfile frontend without a daemon and notes which local sources and which images it asks for.
// Nothing is built.
type dryGateway struct {
	source    dockerfile.Source
	planFiles Files // of the plan
	attrs     map[string]string
	files     map[string]map[string][]byte // of local sources that the frontend itself reads from, by source
	baseEnv   []string                     // of every base image
	platform  ocispecs.Platform            // of the builder

	mu             sync.Mutex
	requests       []localRequest
	imagesByTag    map[string]bool // by canonical reference, without those by digest
	imagesByDigest map[string]bool // those, without a tag
	transcript     bytes.Buffer    // all definitions and references, one after the other
	hasNUL         bool            // a step has a NUL byte: see runsNUL
}

// NewDryGateway returns a gateway that answers the Dockerfile frontend without a daemon of that platform. Nothing is built.
func NewDryGateway(plan Plan, d Definition, builderPlatform string) gateway.Client {
	return newDryGateway(plan, d, builderPlatform)
}

func newDryGateway(plan Plan, d Definition, builderPlatform string) *dryGateway {
	g := &dryGateway{planFiles: plan.Files, attrs: plan.FrontendAttrs(d), platform: platforms.MustParse(builderPlatform)}
	g.imagesByTag, g.imagesByDigest = map[string]bool{}, map[string]bool{}
	g.files = map[string]map[string][]byte{definitionSource: d.frontendFiles(), contextSource: {}}
	g.source = d.Source()
	g.source.Dry = true
	for name, ignore := range d.Named {
		g.files[localName(name)] = map[string][]byte{}
		if ignore != nil {
			g.files[localName(name)][ignoreFile] = ignore
		}
	}
	return g
}

// reads are the requests in sum.
func (g *dryGateway) reads() ReadSet {
	g.mu.Lock()
	defer g.mu.Unlock()
	sum := ReadSet{}
	for _, r := range g.requests {
		sum.add(r)
	}
	return sum
}

// uses are those of the requests in sum.
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

// Solve notes the local sources of a definition. The result can be read from as far as the frontend does.
// The frontend calls it in goroutines of its own, as it does ResolveSourceMetadata.
func (g *dryGateway) Solve(_ context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	return rescue.Value(func() (*gateway.Result, error) { return g.solve(req) })
}

func (g *dryGateway) solve(req gateway.SolveRequest) (*gateway.Result, error) {
	if req.Frontend != "" {
		return nil, fmt.Errorf("%w: the frontend %s would interpret the Dockerfile", errUncertain, req.FrontendOpt["source"])
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

// ResolveSourceMetadata stands in for every base image.
func (g *dryGateway) ResolveSourceMetadata(_ context.Context, op *pb.SourceOp, opt sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	return rescue.Value(func() (*sourceresolver.MetaResponse, error) { return g.baseImage(op, opt) })
}

func (g *dryGateway) baseImage(op *pb.SourceOp, opt sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	g.recordSource(op.GetIdentifier())
	platform := g.platform
	if opt.ImageOpt != nil && opt.ImageOpt.Platform != nil {
		platform = *opt.ImageOpt.Platform
	}
	config, err := json.Marshal(ocispecs.Image{Platform: platform, Config: ocispecs.ImageConfig{Env: g.baseEnv, Cmd: []string{"scan"}}}) // a scanner has a command
	if err != nil {
		return nil, err
	}
	image := &sourceresolver.ResolveImageResponse{Digest: digest.FromBytes(config), Config: config}
	return &sourceresolver.MetaResponse{Op: op, Image: image}, nil
}

// ResolveImageConfig is what older frontends call.
func (g *dryGateway) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	meta, err := g.ResolveSourceMetadata(ctx, &pb.SourceOp{Identifier: ImageScheme + ref}, opt)
	if err != nil {
		return "", "", nil, err
	}
	return ref, meta.Image.Digest, meta.Image.Config, nil
}

// BuildOpts are those of a daemon that can do everything.
func (g *dryGateway) BuildOpts() gateway.BuildOpts {
	return gateway.BuildOpts{
		Opts:      g.attrs,
		SessionID: "dry",
		Workers:   []gateway.WorkerInfo{{Platforms: []ocispecs.Platform{g.platform}}},
		LLBCaps:   pb.Caps.CapSet(pb.Caps.All()),
		Caps:      gatewaypb.Caps.CapSet(gatewaypb.Caps.All()),
	}
}

// Inputs has none: they belong to frontends that call each other.
func (g *dryGateway) Inputs(context.Context) (map[string]llb.State, error) { return nil, nil }

// NewContainer is refused: no Dockerfile needs one.
func (g *dryGateway) NewContainer(context.Context, gateway.NewContainerRequest) (gateway.Container, error) {
	return nil, errUncertain
}

// Warn is for people who watch a build.
func (g *dryGateway) Warn(context.Context, digest.Digest, string, gateway.WarnOpts) error { return nil }

package dockerfile

import (
	"context"
	"errors"
	"sync"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/opencontainers/go-digest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// bridge serves a gateway to a child, in the protocol of BuildKit's frontend images.
type bridge struct {
	gatewaypb.UnimplementedLLBBridgeServer
	client   gateway.Client
	returned chan struct{} // closed when there is an outcome

	mu     sync.Mutex
	refs   map[string]gateway.Reference
	done   bool
	result *gateway.Result
	err    error
}

func newBridge(c gateway.Client) *bridge {
	return &bridge{client: c, returned: make(chan struct{}), refs: map[string]gateway.Reference{}}
}

func (b *bridge) task(quiet bool) task {
	opts := b.client.BuildOpts()
	return task{Options: opts.Opts, Session: opts.SessionID, Product: opts.Product, Workers: opts.Workers, Quiet: quiet}
}

// server returns a gRPC server of the bridge. A panic in the gateway ends the call.
func (b *bridge) server() *grpc.Server {
	rescued := func(
		ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler,
	) (resp any, err error) {
		caught := rescue.Call(func() error {
			resp, err = handle(ctx, req)
			return nil
		})
		return resp, errors.Join(caught, err)
	}
	s := grpc.NewServer(
		grpc.ChainUnaryInterceptor(grpcerrors.UnaryServerInterceptor, rescued), grpc.WaitForHandlers(true),
		grpc.MaxRecvMsgSize(messageLimit+slack), grpc.MaxSendMsgSize(messageLimit+slack))
	gatewaypb.RegisterLLBBridgeServer(s, b)
	return s
}

// finish keeps the first outcome.
func (b *bridge) finish(result *gateway.Result, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done {
		return
	}
	b.done, b.result, b.err = true, result, err
	close(b.returned)
}

func (b *bridge) fail(err error) { b.finish(nil, err) }

func (b *bridge) outcome() (*gateway.Result, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.result, b.err
}

// Ping says what the gateway can do.
func (b *bridge) Ping(context.Context, *gatewaypb.PingRequest) (*gatewaypb.PongResponse, error) {
	opts := b.client.BuildOpts()
	return &gatewaypb.PongResponse{
		FrontendAPICaps: enabledCaps(opts.Caps, gatewaypb.Caps.All()),
		LLBCaps:         enabledCaps(opts.LLBCaps, pb.Caps.All()),
	}, nil
}

// enabledCaps returns the capabilities among all that are in a set, and marks them as enabled.
func enabledCaps(set apicaps.CapSet, all []*apicaps.PBCap) (list []*apicaps.PBCap) {
	for _, c := range all {
		if set.Supports(apicaps.CapID(c.ID)) == nil {
			c.Enabled = true
			list = append(list, c)
		}
	}
	return list
}

// ResolveImageConfig asks the gateway for the configuration of an image.
func (b *bridge) ResolveImageConfig(
	ctx context.Context, req *gatewaypb.ResolveImageConfigRequest,
) (*gatewaypb.ResolveImageConfigResponse, error) {
	ref, sum, config, err := b.client.ResolveImageConfig(ctx, req.GetRef(), sourceresolver.Opt{
		LogName:        req.GetLogName(),
		SourcePolicies: req.GetSourcePolicies(),
		ImageOpt: &sourceresolver.ResolveImageOpt{
			ResolveMode: req.GetResolveMode(), Platform: platformOf(req.GetPlatform()),
		},
	})
	return &gatewaypb.ResolveImageConfigResponse{Ref: ref, Digest: string(sum), Config: config}, err
}

// ResolveSourceMeta asks the gateway about a source: an image or the commit of a git repository.
func (b *bridge) ResolveSourceMeta(
	ctx context.Context, req *gatewaypb.ResolveSourceMetaRequest,
) (*gatewaypb.ResolveSourceMetaResponse, error) {
	opt := sourceresolver.Opt{
		LogName:        req.GetLogName(),
		SourcePolicies: req.GetSourcePolicies(),
		ImageOpt: &sourceresolver.ResolveImageOpt{
			ResolveMode: req.GetResolveMode(), Platform: platformOf(req.GetPlatform()),
		},
	}
	if git := req.GetGit(); git != nil {
		opt.GitOpt = &sourceresolver.ResolveGitOpt{ReturnObject: git.GetReturnObject()}
	}
	if image := req.GetImage(); image != nil {
		opt.ImageOpt.NoConfig = image.GetNoConfig()
		if image.GetAttestationChain() || len(image.GetResolveAttestations()) > 0 || req.GetHTTP() != nil {
			return nil, status.Error(codes.Unimplemented, "no Dockerfile needs this metadata")
		}
	}
	meta, err := b.client.ResolveSourceMetadata(ctx, req.GetSource(), opt)
	if err != nil {
		return nil, err
	}
	return metaResponse(meta), nil
}

// Solve passes a definition or a frontend's options on.
func (b *bridge) Solve(ctx context.Context, req *gatewaypb.SolveRequest) (*gatewaypb.SolveResponse, error) {
	var imports []gateway.CacheOptionsEntry
	for _, entry := range req.GetCacheImports() {
		imports = append(imports, gateway.CacheOptionsEntry{Type: entry.GetType(), Attrs: entry.GetAttrs()})
	}
	result, err := b.client.Solve(ctx, gateway.SolveRequest{
		Evaluate:       req.GetEvaluate(),
		Definition:     req.GetDefinition(),
		Frontend:       req.GetFrontend(),
		FrontendOpt:    req.GetFrontendOpt(),
		FrontendInputs: req.GetFrontendInputs(),
		CacheImports:   imports,
		SourcePolicies: req.GetSourcePolicies(),
	})
	if err != nil {
		return nil, err
	}
	sent, err := b.encodeResult(result)
	return &gatewaypb.SolveResponse{Result: sent}, err
}

// Inputs returns nothing: inputs belong to frontends that call each other.
func (b *bridge) Inputs(context.Context, *gatewaypb.InputsRequest) (*gatewaypb.InputsResponse, error) {
	return &gatewaypb.InputsResponse{}, nil
}

// Evaluate makes the daemon build a result.
func (b *bridge) Evaluate(ctx context.Context, req *gatewaypb.EvaluateRequest) (*gatewaypb.EvaluateResponse, error) {
	ref, err := b.ref(req.GetRef())
	if err != nil {
		return nil, err
	}
	return &gatewaypb.EvaluateResponse{}, ref.Evaluate(ctx)
}

// ReadFile reads a file of a result.
func (b *bridge) ReadFile(ctx context.Context, req *gatewaypb.ReadFileRequest) (*gatewaypb.ReadFileResponse, error) {
	ref, err := b.ref(req.GetRef())
	if err != nil {
		return nil, err
	}
	read := gateway.ReadRequest{Filename: req.GetFilePath()}
	if r := req.GetRange(); r != nil {
		read.Range = &gateway.FileRange{Offset: int(r.GetOffset()), Length: int(r.GetLength())}
	}
	data, err := ref.ReadFile(ctx, read)
	return &gatewaypb.ReadFileResponse{Data: data}, err
}

// StatFile looks at a file of a result.
func (b *bridge) StatFile(ctx context.Context, req *gatewaypb.StatFileRequest) (*gatewaypb.StatFileResponse, error) {
	ref, err := b.ref(req.GetRef())
	if err != nil {
		return nil, err
	}
	stat, err := ref.StatFile(ctx, gateway.StatRequest{Path: req.GetPath()})
	return &gatewaypb.StatFileResponse{Stat: stat}, err
}

// ReadDir lists a folder of a result.
func (b *bridge) ReadDir(ctx context.Context, req *gatewaypb.ReadDirRequest) (*gatewaypb.ReadDirResponse, error) {
	ref, err := b.ref(req.GetRef())
	if err != nil {
		return nil, err
	}
	entries, err := ref.ReadDir(ctx, gateway.ReadDirRequest{
		Path: req.GetDirPath(), IncludePattern: req.GetIncludePattern(),
	})
	return &gatewaypb.ReadDirResponse{Entries: entries}, err
}

// Warn passes a warning on.
func (b *bridge) Warn(ctx context.Context, req *gatewaypb.WarnRequest) (*gatewaypb.WarnResponse, error) {
	opts := gateway.WarnOpts{
		Level:      int(req.GetLevel()),
		SourceInfo: req.GetInfo(),
		Range:      req.GetRanges(),
		Detail:     req.GetDetail(),
		URL:        req.GetUrl(),
	}
	step, text := digest.Digest(req.GetDigest()), string(req.GetShort())
	return &gatewaypb.WarnResponse{}, b.client.Warn(ctx, step, text, opts)
}

// Return ends the run with the result or the error of the frontend.
func (b *bridge) Return(_ context.Context, req *gatewaypb.ReturnRequest) (*gatewaypb.ReturnResponse, error) {
	if req.GetError() != nil {
		b.fail(grpcerrors.FromGRPC(status.ErrorProto(req.GetError())))
		return &gatewaypb.ReturnResponse{}, nil
	}
	result, err := b.decodeResult(req.GetResult())
	b.finish(result, err)
	return &gatewaypb.ReturnResponse{}, err
}

package dockerfile

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"unicode/utf8"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/builder"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/gateway/grpcclient"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/opencontainers/go-digest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/foreign"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

const (
	childName     = "dockerfile-frontend"            // argument 1 of the child
	childVariable = "PULUMI_BUILDKIT_FRONTEND_CHILD" // set in the child, which starts no child of its own
)

// IsChild reports whether RunChild runs the frontend for args.
func IsChild(args []string) bool { return len(args) > 0 && args[0] == childName }

// RunChild runs the frontend if this process is a child. Main calls it first, with the arguments after the program's
// name, and exits with exitCode if handled is true.
func RunChild(args []string) (handled bool, exitCode int) {
	if !IsChild(args) {
		return false, 0
	}
	rescue.Go(func(error) { os.Exit(1) }, watchBudget)
	conn := stdio{in: os.Stdin, out: os.Stdout, onOrphan: exitAsOrphan}
	if err := serveParent(context.Background(), conn); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, childName+": "+err.Error())
		return true, 1
	}
	return true, 0
}

// task is what the parent sends before it serves its gateway.
type task struct {
	Options map[string]string
	Session string
	Product string
	Workers []gateway.WorkerInfo
	Quiet   bool // nobody reads warnings
}

// serveParent runs the frontend on the gateway of the parent. The result, or the error of the frontend, goes to the
// parent.
func serveParent(ctx context.Context, conn net.Conn) error {
	var t task
	if err := readTask(conn, &t); err != nil {
		return fmt.Errorf("this process is a part of the plugin, which starts it itself: %w", err)
	}
	connection, err := dialParent(conn)
	if err != nil {
		return err
	}
	bridge := gatewaypb.NewLLBBridgeClient(connection)
	c, err := grpcclient.New(ctx, t.Options, t.Session, t.Product, bridge, t.Workers)
	if err != nil {
		return err
	}
	returned := false
	// Its error is the frontend's, which the parent has.
	_ = c.Run(ctx, func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		returned = true
		var result *gateway.Result
		err := rescue.Call(func() (err error) {
			result, err = builder.Build(ctx, &parentGateway{Client: c, bridge: bridge, quiet: t.Quiet})
			return err
		})
		return result, withValidText(err)
	})
	if !returned {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// withValidText returns the error with a text that is UTF-8. gRPC sends no other text, such as a line of a Dockerfile.
func withValidText(err error) error {
	if err == nil || utf8.ValidString(err.Error()) {
		return err
	}
	return &validError{cause: err}
}

// validError is an error whose text is not UTF-8.
type validError struct{ cause error }

func (e *validError) Error() string { return foreign.Text(e.cause.Error()) }
func (e *validError) Unwrap() error { return e.cause }

func dialParent(conn net.Conn) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///parent",
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return conn, nil }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(grpcerrors.UnaryClientInterceptor),
		grpc.WithStreamInterceptor(grpcerrors.StreamClientInterceptor),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(messageLimit+slack), grpc.MaxCallSendMsgSize(messageLimit+slack)))
}

// slack is what a message may have around a text of messageLimit.
const slack = 1 << 20

// parentGateway asks for image configurations as the frontend does in the process of the parent. BuildKit's client
// would ask for them as source metadata, past what the parent does on the way.
type parentGateway struct {
	gateway.Client
	bridge   gatewaypb.LLBBridgeClient
	quiet    bool
	warnings atomic.Int64
}

// Warn passes on what somebody reads.
func (g *parentGateway) Warn(ctx context.Context, step digest.Digest, text string, opts gateway.WarnOpts) error {
	if g.quiet || g.warnings.Add(1) > warningLimit+1 { // one more, so that the parent sees that there are more
		return nil
	}
	return g.Client.Warn(ctx, step, text, opts)
}

// ResolveImageConfig asks the parent.
func (g *parentGateway) ResolveImageConfig(
	ctx context.Context, ref string, opt sourceresolver.Opt,
) (string, digest.Digest, []byte, error) {
	if opt.ImageOpt == nil {
		return g.Client.ResolveImageConfig(ctx, ref, opt)
	}
	req := &gatewaypb.ResolveImageConfigRequest{
		Ref:            ref,
		LogName:        opt.LogName,
		ResolveMode:    opt.ImageOpt.ResolveMode,
		ResolverType:   int32(sourceresolver.ResolverTypeRegistry),
		SourcePolicies: opt.SourcePolicies,
	}
	if p := opt.ImageOpt.Platform; p != nil {
		req.Platform = pb.PlatformFromSpec(*p)
	}
	resp, err := g.bridge.ResolveImageConfig(ctx, req)
	if err != nil {
		return "", "", nil, err
	}
	return resp.GetRef(), digest.Digest(resp.GetDigest()), resp.GetConfig(), nil
}

// readTask reads a task: four bytes of length, and JSON.
func readTask(r io.Reader, t *task) error {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return err
	}
	size := int64(length[0])<<24 | int64(length[1])<<16 | int64(length[2])<<8 | int64(length[3])
	if size > 4*messageLimit {
		return fmt.Errorf("a task of %d bytes", size)
	}
	data, err := io.ReadAll(io.LimitReader(r, size))
	if err != nil {
		return err
	}
	return json.Unmarshal(data, t)
}

// writeTask writes a task as readTask reads it.
func writeTask(w io.Writer, t task) error {
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	n := len(data)
	_, err = w.Write(append([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, data...))
	return err
}

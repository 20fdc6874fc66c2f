package buildkit_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// rawCodec leaves messages as they are.
type rawCodec struct{}

// Marshal implements encoding.Codec.
func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

// Unmarshal implements encoding.Codec.
func (rawCodec) Unmarshal(data []byte, v any) error { *v.(*[]byte) = slices.Clone(data); return nil }

// Name implements encoding.Codec.
func (rawCodec) Name() string { return "proto" }

// proxyOfCalls is a proxy in front of a daemon that speaks gRPC, and so answers the pings of a client itself.
type proxyOfCalls struct {
	daemon *grpc.ClientConn
	frozen atomic.Bool // nothing comes from the daemon any more
	asked  atomic.Int64
	silent bool // questions about the daemon get no answer
	// loseSession ends the session after its first message, and lets the solve begin only then.
	loseSession bool
	sessionLost chan struct{} // closed then
	// edit changes what a client sends; nil: nothing.
	edit func(method string, message []byte) ([]byte, error)
}

// newProxyOfCalls serves a proxy in front of the shared daemon and returns where.
func newProxyOfCalls(t *testing.T, p *proxyOfCalls) string {
	t.Helper()
	daemon, err := grpc.NewClient(shared.Endpoint(t), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{}), grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		t.Fatal(err)
	}
	p.daemon = daemon
	socket := filepath.Join(t.TempDir(), "p.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.UnknownServiceHandler(p.forward),
		grpc.MaxRecvMsgSize(64<<20))
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); _ = daemon.Close() })
	return "unix://" + socket
}

// forward passes the messages of one call on, in both directions.
func (p *proxyOfCalls) forward(_ any, client grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(client)
	ctx := client.Context()
	if strings.HasSuffix(method, "/Info") && p.asked.Add(1) > 1 && p.silent {
		<-ctx.Done()
	}
	if p.loseSession && strings.HasSuffix(method, "/Solve") {
		<-p.sessionLost
	}
	given, _ := metadata.FromIncomingContext(ctx)
	description := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	daemon, err := p.daemon.NewStream(metadata.NewOutgoingContext(ctx, given), description, method)
	if err != nil {
		return err
	}
	if p.loseSession && strings.HasSuffix(method, "/Session") {
		defer close(p.sessionLost)
		return daemon.RecvMsg(&[]byte{})
	}
	go func() {
		_ = p.pass(ctx, client.RecvMsg, func(message any) error { return p.send(method, message, daemon) })
		_ = daemon.CloseSend()
	}()
	err = p.pass(ctx, daemon.RecvMsg, client.SendMsg)
	client.SetTrailer(daemon.Trailer())
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// send sends a message of a client to the daemon.
func (p *proxyOfCalls) send(method string, message any, daemon grpc.ClientStream) error {
	raw := message.(*[]byte) //nolint:forcetypeassert // of pass
	if p.edit != nil {
		edited, err := p.edit(method, *raw)
		if err != nil {
			return err
		}
		raw = &edited
	}
	return daemon.SendMsg(raw)
}

// pass passes messages on until there are no more.
func (p *proxyOfCalls) pass(ctx context.Context, receive, send func(any) error) error {
	for {
		var message []byte
		err := receive(&message)
		if p.frozen.Load() {
			<-ctx.Done()
			return ctx.Err()
		}
		if err == nil {
			err = send(&message)
		}
		if err != nil {
			return err
		}
	}
}

// A daemon that freezes behind a proxy is noticed, although the proxy answers pings. A silent step is left alone, and
// so is a daemon that answers no questions while its session is alive.
func TestADaemonFreezesBehindAProxy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		silence time.Duration
		silent  bool // the proxy answers no questions about the daemon
		frozen  bool
	}{
		"frozen":              {silence: 8 * time.Second, frozen: true},
		"a silent step":       {silence: 8 * time.Second},
		"only a live session": {silence: 8 * time.Second, silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStepBuilder(t)
			proxy := &proxyOfCalls{silent: c.silent}
			daemon, err := dial(t.Context(), newProxyOfCalls(t, proxy))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = daemon.Close() }()
			plan := s.plan(t, "RUN sleep 13")
			in, err := inputs.Load(t.Context(), plan)
			if err != nil {
				t.Fatal(err)
			}
			if c.frozen {
				time.AfterFunc(3*time.Second, func() { proxy.frozen.Store(true) })
			}
			began := time.Now()
			_, err = buildkit.Solve(t.Context(), daemon, plan, in,
				buildkit.Access{Credentials: noCredentials, Silence: c.silence}, func(buildkit.Event) {})
			lost, isLost := errors.AsType[*buildkit.LostDaemonError](err)
			switch {
			case !c.frozen && err != nil:
				t.Error(err)
			case c.frozen && (!isLost || !lost.Silent || lost.Limit < c.silence):
				t.Errorf("got %v", err)
			case c.frozen && time.Since(began) > 45*time.Second:
				t.Errorf("it took %s", time.Since(began))
			}
		})
	}
}

// A solve ends if its session ends before it, although the daemon answers. The daemon would wait for the session.
func TestASolveDoesNotOutliveItsSession(t *testing.T) {
	t.Parallel()
	proxy := &proxyOfCalls{loseSession: true, sessionLost: make(chan struct{})}
	daemon, err := dial(t.Context(), newProxyOfCalls(t, proxy))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = daemon.Close() }()
	plan := inlinePlan(t.TempDir(), "FROM scratch\nCOPY a /")
	writeAlike(t, plan.Files.Context, map[string]string{"a": t.Name()})
	plan.Repositories = []string{registrytest.New(t).Host() + "/image"}
	in, err := inputs.Load(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	_, err = buildkit.Solve(ctx, daemon, plan, in, buildkit.Access{Credentials: noCredentials}, func(buildkit.Event) {})
	if lost, ok := errors.AsType[*buildkit.LostDaemonError](err); !ok || !lost.SessionEnded {
		t.Errorf("got %v, want a *LostDaemonError of a session that ended", err)
	}
}

// If the daemon freezes while it waits for a registry, the error names the daemon, even if the registry would be given
// up earlier.
func TestNoRegistryIsBlamedForAFrozenDaemon(t *testing.T) {
	t.Parallel()
	proxy := &proxyOfCalls{}
	daemon, err := dial(t.Context(), newProxyOfCalls(t, proxy))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = daemon.Close() }()
	r := registrytest.New(t)
	r.Inject(registrytest.Rule{Fault: func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		proxy.frozen.Store(true)
		registrytest.Stall(w, req, next)
	}})
	plan := inlinePlan(t.TempDir(), "FROM "+r.Host()+"/base:1")
	in, err := inputs.Load(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	access := buildkit.Access{Credentials: noCredentials, StallTimeout: time.Second, Silence: 6 * time.Second}
	_, err = buildkit.Solve(t.Context(), daemon, plan, in, access, func(buildkit.Event) {})
	if lost, ok := errors.AsType[*buildkit.LostDaemonError](err); !ok || !lost.Silent {
		t.Errorf("got %v, want a silent *LostDaemonError", err)
	}
}

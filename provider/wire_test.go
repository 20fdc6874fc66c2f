package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration/fake"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// wire is a provider behind gRPC, as the engine calls it: after the handshake, and with an engine that receives its
// logs.
type wire struct {
	pulumirpc.ResourceProviderClient
	conn   *grpc.ClientConn
	engine *fake.EngineServer
}

// dial serves the provider on loopback while the test runs, and configures it. props parses config.
func dial(t *testing.T, provider p.Provider, config string) *wire {
	t.Helper()
	w, end, err := startProvider(context.WithoutCancel(t.Context()), provider, marshalProperties(t, props(t, config)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	return w
}

// startProvider serves the provider on loopback and configures it. end stops it and waits until it has ended.
func startProvider(ctx context.Context, provider p.Provider, config *structpb.Struct) (w *wire, end func(), err error) {
	server, err := p.RawServer(Name, "1.0.0", provider)(nil)
	if err != nil {
		return nil, nil, err
	}
	ended := make(chan bool)
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{Cancel: ended, Init: func(s *grpc.Server) error {
		pulumirpc.RegisterResourceProviderServer(s, server)
		return nil
	}})
	if err != nil {
		return nil, nil, err
	}
	conn, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", handle.Port),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	engine := fake.NewEngineServer()
	address, engineDone, err := fake.StartEngineServer(ctx, engine)
	end = sync.OnceFunc(func() {
		_ = conn.Close()
		close(ended)
		<-handle.Done
		stop(errors.New("the provider has ended"))
		if engineDone != nil {
			<-engineDone
		}
	})
	w = &wire{ResourceProviderClient: pulumirpc.NewResourceProviderClient(conn), conn: conn, engine: engine}
	if err == nil {
		err = w.configure(ctx, address, config)
	}
	if err != nil {
		end()
		return nil, nil, err
	}
	return w, end, nil
}

// configure makes the first calls of an engine: Handshake and Configure.
func (w *wire) configure(ctx context.Context, engine string, config *structpb.Struct) error {
	if _, err := w.Handshake(ctx, &pulumirpc.ProviderHandshakeRequest{EngineAddress: engine}); err != nil {
		return err
	}
	_, err := w.Configure(ctx, &pulumirpc.ConfigureRequest{
		Args: config, AcceptSecrets: true, AcceptResources: true, SendsOldInputs: true, SendsOldInputsToDelete: true,
	})
	return err
}

// marshalProperties converts a property map for gRPC, with its secrets and unknown values.
func marshalProperties(t *testing.T, m property.Map) *structpb.Struct {
	t.Helper()
	s, err := plugin.MarshalProperties(resource.ToResourcePropertyMap(m), plugin.MarshalOptions{
		KeepUnknowns: true, KeepSecrets: true, KeepOutputValues: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// unmarshalProperties reverses marshalProperties.
func unmarshalProperties(t *testing.T, s *structpb.Struct) property.Map {
	t.Helper()
	m, err := plugin.UnmarshalProperties(s, plugin.MarshalOptions{
		KeepUnknowns: true, KeepSecrets: true, KeepOutputValues: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return resource.FromResourcePropertyMap(m)
}

// logText returns the messages that the engine received, one per line.
func (w *wire) logText() string {
	var lines []string
	for _, l := range w.engine.Logs() {
		lines = append(lines, l.GetSeverity().String()+" "+l.GetMessage())
	}
	return strings.Join(lines, "\n")
}

// A panic in one call becomes the error of that call. Other calls of the same plugin go on.
func TestAPanicIsAnError(t *testing.T) {
	t.Parallel()
	broken := p.Provider{
		Create: func(context.Context, p.CreateRequest) (p.CreateResponse, error) {
			var nobody *Image
			nobody.Annotate(nil)
			return p.CreateResponse{}, nil
		},
		Delete: func(context.Context, p.DeleteRequest) error { return nil },
	}
	w := dial(t, guardProvider(broken), `{}`)
	_, err := w.Create(t.Context(), &pulumirpc.CreateRequest{
		Urn: string(urn), Properties: marshalProperties(t, property.Map{}),
	})
	if err == nil {
		t.Fatal("a panic is no success")
	}
	for _, want := range []string{
		"a bug of the provider", "invalid memory address", "provider.(*Image).Annotate:", "/issues",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
	if _, err := w.Delete(t.Context(), &pulumirpc.DeleteRequest{
		Id: "app", Urn: string(urn), Properties: marshalProperties(t, property.Map{}),
	}); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

// A panic in a goroutine becomes an error with the context of its caller, and with the place to report.
func TestAPanicElsewhereIsReported(t *testing.T) {
	t.Parallel()
	broken := p.Provider{Read: func(context.Context, p.ReadRequest) (p.ReadResponse, error) {
		var group errgroup.Group
		rescue.GoErrGroup(&group, func() error { panic("as asked") })
		return p.ReadResponse{}, fmt.Errorf("reading app: %w", group.Wait())
	}}
	w := dial(t, guardProvider(broken), `{}`)
	_, err := w.Read(t.Context(), &pulumirpc.ReadRequest{
		Id: "app", Urn: string(urn), Properties: marshalProperties(t, property.Map{}),
	})
	if want := "reading app: met a bug of the provider: as asked at provider."; err == nil ||
		!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "/issues") {
		t.Errorf("%v", err)
	}
}

// customTimeouts are exact, also below a second and with fractions of a second.
func TestCustomTimeoutsAreExact(t *testing.T) {
	t.Parallel()
	for _, seconds := range []float64{0.05, 1.5, 0} {
		var deadline time.Time
		var bounded bool
		waits := p.Provider{Update: func(ctx context.Context, _ p.UpdateRequest) (p.UpdateResponse, error) {
			deadline, bounded = ctx.Deadline()
			if seconds != 0.05 {
				return p.UpdateResponse{}, nil
			}
			<-ctx.Done()
			return p.UpdateResponse{}, context.Cause(ctx)
		}}
		w := dial(t, guardProvider(waits), `{}`)
		began := time.Now()
		_, err := w.Update(t.Context(), &pulumirpc.UpdateRequest{Id: "app", Urn: string(urn), Timeout: seconds,
			Olds: marshalProperties(t, property.Map{}), News: marshalProperties(t, property.Map{})})
		limit := time.Duration(seconds * float64(time.Second))
		if bounded != (seconds > 0) ||
			bounded && (deadline.Before(began.Add(limit)) || deadline.After(time.Now().Add(limit))) {
			t.Errorf("the limit of %s is at %s (bounded: %v)", limit, deadline.Sub(began), bounded)
		}
		if seconds == 0.05 && (err == nil || !strings.Contains(err.Error(),
			"longer than customTimeouts.update allows, which is 50ms")) {
			t.Errorf("got %v", err)
		}
	}
}

// The engine may send Cancel at any time. The provider answers.
func TestCancelWithoutACall(t *testing.T) {
	t.Parallel()
	w := dial(t, New(nil), `{}`)
	if _, err := w.Cancel(t.Context(), &emptypb.Empty{}); err != nil {
		t.Error(err)
	}
}

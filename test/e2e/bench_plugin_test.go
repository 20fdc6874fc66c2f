//go:build linux

package e2e

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi-go-provider/integration/fake"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"
	"gopkg.in/yaml.v3"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// directImage is an image that is applied by calls to the plugin. There is no CLI, no language host and no engine but
// one that takes messages.
type directImage struct {
	stack      *stack.Test
	properties *structpb.Struct
	inputs     *structpb.Struct // of the last update, as Check returned them
	state      *structpb.Struct // nil: there is none yet
}

// newDirectImage returns the image of these properties in the folder of the stack. It applies nothing.
func newDirectImage(b *testing.B, s *stack.Test, properties string) *directImage {
	b.Helper()
	values := map[string]any{}
	must(b, yaml.Unmarshal([]byte(strings.ReplaceAll(properties, "-up:1", "-plugin:1")), &values))
	return &directImage{stack: s, properties: marshal(b, values)}
}

// marshal returns values as the engine sends them.
func marshal(b testing.TB, values map[string]any) *structpb.Struct {
	b.Helper()
	marshaled, err := plugin.MarshalProperties(resource.NewPropertyMapFromMap(values), plugin.MarshalOptions{
		KeepUnknowns: true, KeepSecrets: true,
	})
	must(b, err)
	return marshaled
}

// apply starts the plugin, and has it check and apply the image as it is now. The result tells how long that took,
// without the start.
func (d *directImage) apply(b *testing.B) func() time.Duration {
	b.Helper()
	client, end := startPlugin(b, d.stack, nil)
	defer end()
	start := time.Now()
	checked, err := client.Check(b.Context(), &pulumirpc.CheckRequest{
		Urn: directURN, Name: "image", Type: "buildkit:index:Image", News: d.properties, Olds: d.inputs,
	})
	must(b, err)
	if len(checked.GetFailures()) > 0 {
		b.Fatal(checked.GetFailures())
	}
	must(b, d.update(b, client, checked.GetInputs()))
	took := time.Since(start)
	d.inputs = checked.GetInputs()
	return func() time.Duration { return took }
}

const directURN = "urn:pulumi:dev::app::buildkit:index:Image::image"

// update calls Create, or Update if there is a state.
func (d *directImage) update(
	b *testing.B, client pulumirpc.ResourceProviderClient, inputs *structpb.Struct,
) error {
	b.Helper()
	if d.state == nil {
		created, err := client.Create(b.Context(), &pulumirpc.CreateRequest{
			Urn: directURN, Name: "image", Type: "buildkit:index:Image", Properties: inputs,
		})
		d.state = created.GetProperties()
		return err
	}
	updated, err := client.Update(b.Context(), &pulumirpc.UpdateRequest{
		Urn: directURN, Name: "image", Type: "buildkit:index:Image", Id: "image",
		Olds: d.state, OldInputs: d.inputs, News: inputs,
	})
	d.state = updated.GetProperties()
	return err
}

// startPlugin starts the plugin as pulumi up does, and configures it. The caller calls end.
func startPlugin(
	b testing.TB, s *stack.Test, config map[string]any,
) (client pulumirpc.ResourceProviderClient, end func()) {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	engine, engineEnd, err := fake.StartEngineServer(ctx, fake.NewEngineServer())
	must(b, err)
	port := &portReader{found: make(chan string, 1)}
	process, err := s.StartProgram(ctx, port, filepath.Join(shared.Bin, "pulumi-resource-buildkit"), engine)
	must(b, err)
	conn, err := grpc.NewClient("127.0.0.1:"+<-port.found, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(b, err)
	client = pulumirpc.NewResourceProviderClient(conn)
	_, err = client.Handshake(ctx, &pulumirpc.ProviderHandshakeRequest{EngineAddress: engine})
	must(b, err)
	_, err = client.Configure(ctx, &pulumirpc.ConfigureRequest{
		Args:          marshal(b, config),
		AcceptSecrets: true, AcceptResources: true, SendsOldInputs: true, SendsOldInputsToDelete: true,
	})
	must(b, err)
	return client, func() {
		_ = conn.Close()
		must(b, process.Interrupt())
		_, _ = process.Wait() // it tells of the signal
		stop()
		<-engineEnd
	}
}

var portPattern = regexp.MustCompile(`(?m)^(\d+)$`)

// portReader finds the port that a plugin prints.
type portReader struct {
	found chan string // gets the port once

	mu   sync.Mutex
	text strings.Builder
	once sync.Once
}

// Write implements io.Writer.
func (p *portReader) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text.Write(text)
	if match := portPattern.FindStringSubmatch(p.text.String()); match != nil {
		p.once.Do(func() { p.found <- match[1] })
	}
	return len(text), nil
}

//go:build linux

package attacks

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// Somebody reads the logs of CI. With these flags the engine has its plugins log everything that they are sent, to
// stderr, to files, and to a tracer.
func TestLogsAndTracesOfThePluginHaveNoSecrets(t *testing.T) {
	t.Parallel()
	secret := "CANARY_in_a_log"
	for name, flags := range map[string][]string{
		"stderr": {"--logtostderr", "-v=11"}, "files": {"-v=9"}, "apart": {"--logtostderr", "-v", "9"},
		"dashes": {"-logtostderr", "--v=9"}, "debug": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			traced := collect(t)
			folder := t.TempDir()
			cmd := exec.CommandContext(t.Context(), filepath.Join(shared.Bin, "pulumi-resource-buildkit"),
				append(flags, "--tracing", "tcp://"+traced.address)...)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + folder, "HOME=" + folder,
				"PULUMI_BUILDKIT_DEBUG=1"}
			stderr := &bytes.Buffer{}
			cmd.Stderr = stderr
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			port, err := bufio.NewReader(stdout).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			checkWithSecret(t, "127.0.0.1:"+strings.TrimSpace(port), secret)
			_ = cmd.Process.Signal(os.Interrupt)
			_ = cmd.Wait()
			logs := stderr.String()
			_ = filepath.WalkDir(folder, func(path string, _ os.DirEntry, _ error) error {
				text, _ := os.ReadFile(path)
				logs += string(text)
				return nil
			})
			if strings.Contains(logs, secret) {
				t.Errorf("the secret is in the log:\n%s", logs)
			}
			if trace := traced.end(); bytes.Contains(trace, []byte(secret)) || name == "stderr" && len(trace) == 0 {
				t.Errorf("the trace of %d bytes has the secret, or nothing", len(trace))
			}
		})
	}
}

// What docs/troubleshooting.md recommends shows no secret, neither what the engine logs nor what the plugin does.
func TestTheRecommendedVerbosityShowsNoSecret(t *testing.T) {
	t.Parallel()
	secret := "CANARY_at_v8"
	test := shared.Open(t, shared.Project(t, app+"secrets: {fn::secret: {a: "+secret+"}}\n"+
		"registries: [{address: example.com, username: u, password: {fn::secret: "+secret+"}}]",
		map[string]string{"app/Dockerfile": "FROM BUSYBOX\nRUN --mount=type=secret,id=a cat /run/secrets/a\n"}))
	r := test.Preview("--logtostderr", "--logflow", "-v=8")
	stack.Succeeds(t, r)
	if strings.Contains(r.All(), secret) {
		t.Errorf("the secret is in the output:\n%s", r.All())
	}
}

// checkWithSecret calls the plugin as the engine does.
func checkWithSecret(t *testing.T, address, secret string) {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	inputs, err := plugin.MarshalProperties(resource.NewPropertyMapFromMap(map[string]any{
		"context": map[string]any{"location": "https://example.com/app.git"},
		"secrets": resource.MakeSecret(resource.NewProperty(resource.PropertyMap{"a": resource.NewProperty(secret)})),
		"registries": []any{map[string]any{"address": "example.com", "username": "u",
			"password": resource.MakeSecret(resource.NewProperty(secret))}},
	}), plugin.MarshalOptions{KeepSecrets: true, KeepUnknowns: true})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := pulumirpc.NewResourceProviderClient(conn).Check(t.Context(), &pulumirpc.CheckRequest{
		Urn: "urn:pulumi:dev::app::buildkit:index:Image::image", News: inputs,
	})
	if err != nil || !strings.Contains(answer.String(), secret) {
		t.Fatalf("the plugin did not get the secret: %v, %v", answer, err)
	}
}

// collector takes what is sent to a tracer.
type collector struct {
	address  string
	listener net.Listener
	all      sync.WaitGroup

	mu   sync.Mutex
	data bytes.Buffer
}

func collect(t *testing.T) *collector {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{address: listener.Addr().String(), listener: listener}
	t.Cleanup(func() { _ = listener.Close() })
	c.all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			c.all.Go(func() {
				_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
				data, _ := io.ReadAll(conn)
				c.mu.Lock()
				defer c.mu.Unlock()
				_, _ = c.data.Write(data)
			})
		}
	})
	return c
}

// end returns what has come.
func (c *collector) end() []byte {
	_ = c.listener.Close()
	c.all.Wait()
	return c.data.Bytes()
}

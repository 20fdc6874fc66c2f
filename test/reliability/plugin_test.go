//go:build linux

package reliability

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pulumi/pulumi-go-provider/integration/fake"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"
)

// startLimit is how long a plugin may take until it names its port.
const startLimit = 30 * time.Second

// plugin is a process of the provider that one command of the engine uses.
type plugin struct {
	pulumirpc.ResourceProviderClient
	cmd    *exec.Cmd
	conn   *grpc.ClientConn
	engine *fake.EngineServer
	stop   func() // the engine server

	mu     sync.Mutex
	stderr strings.Builder
	killed bool
	ended  chan struct{}
}

// startPlugin starts the program in dir and configures it.
func startPlugin(ctx context.Context, program, dir string, env []string, config *structpb.Struct) (*plugin, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	engine := fake.NewEngineServer()
	address, done, err := fake.StartEngineServer(ctx, engine)
	if err != nil {
		cancel(err)
		return &plugin{}, err
	}
	pl := &plugin{
		cmd: exec.Command(program, address), engine: engine, ended: make(chan struct{}),
		stop: func() {
			cancel(errors.New("the command has ended"))
			<-done
		},
	}
	pl.cmd.Dir, pl.cmd.Env = dir, env
	pl.cmd.Stderr = writerFunc(pl.addLog)
	stdout, err := pl.cmd.StdoutPipe()
	if err == nil {
		err = pl.cmd.Start()
	}
	if err != nil {
		pl.stop()
		return pl, err
	}
	if err := pl.connect(ctx, stdout, address, config); err != nil {
		return pl, errors.Join(err, pl.end())
	}
	return pl, nil
}

// connect reads the port of the plugin and makes the first calls of an engine.
func (pl *plugin) connect(ctx context.Context, stdout io.Reader, engine string, config *structpb.Struct) error {
	defer time.AfterFunc(startLimit, pl.kill).Stop()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	go func() {
		_, _ = io.Copy(io.Discard, stdout)
		_ = pl.cmd.Wait()
		close(pl.ended)
	}()
	if err != nil {
		return fmt.Errorf("the plugin named no port: %w: %s", err, pl.log())
	}
	pl.conn, err = grpc.NewClient("127.0.0.1:"+strings.TrimSpace(line),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	pl.ResourceProviderClient = pulumirpc.NewResourceProviderClient(pl.conn)
	if _, err := pl.Handshake(ctx, &pulumirpc.ProviderHandshakeRequest{EngineAddress: engine}); err != nil {
		return err
	}
	_, err = pl.Configure(ctx, &pulumirpc.ConfigureRequest{
		Args: config, AcceptSecrets: true, AcceptResources: true, SendsOldInputs: true, SendsOldInputsToDelete: true,
	})
	return err
}

// kill sends SIGKILL to the process.
func (pl *plugin) kill() {
	pl.mu.Lock()
	pl.killed = true
	pl.mu.Unlock()
	_ = pl.cmd.Process.Kill()
}

// wasKilled tells whether kill was called.
func (pl *plugin) wasKilled() bool {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	return pl.killed
}

// end ends the process as the engine does, and waits for it.
func (pl *plugin) end() error {
	defer pl.stop()
	if pl.conn != nil {
		_ = pl.conn.Close()
	}
	_ = pl.cmd.Process.Signal(syscall.SIGKILL) // what the engine does after Cancel
	select {
	case <-pl.ended:
		return nil
	case <-time.After(startLimit):
		return fmt.Errorf("the plugin did not end within %s after SIGKILL", startLimit)
	}
}

func (pl *plugin) addLog(text []byte) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	pl.stderr.Write(text)
}

// log returns what the plugin wrote to stderr and logged to the engine.
func (pl *plugin) log() string {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	lines := []string{strings.TrimSpace(pl.stderr.String())}
	for _, l := range pl.engine.Logs() {
		lines = append(lines, l.GetSeverity().String()+" "+l.GetMessage())
	}
	return strings.Join(lines, "\n")
}

// writerFunc is a function as an io.Writer.
type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

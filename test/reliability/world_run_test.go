//go:build linux

package reliability

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// run runs one command with a new plugin, and ends it.
func (w *world) run(ctx context.Context, command string, p program) (outcome, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandLimit,
		fmt.Errorf("the command took longer than %s", commandLimit))
	defer cancel()
	if w.stack != nil {
		return w.runCLI(ctx, command, p)
	}
	config, err := w.config(ctx)
	if err != nil {
		return outcome{}, err
	}
	pl, err := startPlugin(ctx, w.program(), filepath.Join(w.root, "program"), w.environment(), config)
	if err != nil {
		return outcome{err: err, killed: pl.wasKilled()}, nil
	}
	w.plugin.Store(pl)
	e := &engine{plugin: pl, state: w.state}
	out := e.run(ctx, command, p)
	w.state = e.state
	if err := ctx.Err(); err != nil {
		out.err = errors.Join(out.err, context.Cause(ctx))
	}
	return out, pl.end()
}

// program returns the path of the plugin.
func (w *world) program() string {
	folder := w.programs
	switch {
	case w.patient:
		folder = filepath.Join(folder, patientFolder)
	case w.files != nil:
		folder = w.files.Bin
	}
	return filepath.Join(folder, pluginName)
}

// environment returns the variables of the plugin.
func (w *world) environment() []string {
	env := []string{
		"PATH=" + w.programs + ":" + os.Getenv("PATH"),
		"HOME=" + filepath.Join(w.root, "home"),
		"TMPDIR=" + filepath.Join(w.root, "tmp"),
		"LANG=C.UTF-8",
		"PULUMI_BACKEND_URL=file://" + filepath.Join(w.root, "home"),
		"PULUMI_BUILDKIT_DAEMON_DIR=" + w.daemon,
		"PULUMI_BUILDKIT_DAEMON_IDLE=" + daemonIdle.String(),
		"GOGC=400",
	}
	if w.files != nil && !w.patient {
		env = append(env, w.files.Env()...)
	}
	return env
}

// config returns the configuration of the provider.
func (w *world) config(ctx context.Context) (*structpb.Struct, error) {
	if w.messages == nil {
		return &structpb.Struct{}, nil
	}
	endpoint, err := w.messages.endpoint(ctx)
	if err != nil {
		return nil, err
	}
	return structpb.NewStruct(map[string]any{"host": endpoint})
}

// kill sends SIGKILL to a process of the running command.
func (w *world) kill(fault string) {
	switch {
	case fault == killDaemon:
		killBuilder(w.daemon)
	case fault == killEngine:
		_ = w.process.Load().Kill()
	case w.stack != nil:
		stack.Kill(w.plugins())
	default:
		w.plugin.Load().kill()
	}
}

// killBuilder sends SIGKILL to buildkitd, if the daemon in folder runs.
//
// The file may be older than the daemon, and its process ID that of another program by now.
func killBuilder(folder string) {
	text, err := os.ReadFile(filepath.Join(folder, "pids"))
	var keeper, builder int
	if _, scanned := fmt.Sscan(string(text), &keeper, &builder); err != nil || scanned != nil {
		return
	}
	if strings.Contains(daemontest.ProcessArguments(builder), folder) {
		_ = syscall.Kill(builder, syscall.SIGKILL)
	}
}

// plugins returns the processes of the plugin that this world started.
func (w *world) plugins() []stack.Proc {
	return stack.Processes(func(p stack.Proc) bool {
		return strings.Contains(p.Command, pluginName+" 127.") && p.Mentions(w.root+"/")
	})
}

// write replaces a file of the program.
func (w *world) write(name, text string) error {
	text = strings.ReplaceAll(text, "HOST", w.point.Host)
	return os.WriteFile(filepath.Join(w.root, "program", name), []byte(text), 0o600)
}

// ageLeftovers makes the files that a killed plugin was writing look old, because the plugin removes only those.
func (w *world) ageLeftovers() {
	_ = filepath.WalkDir(filepath.Join(w.root, "home"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(entry.Name(), ".new-") {
			old := time.Now().Add(-time.Hour)
			_ = os.Chtimes(path, old, old)
		}
		return nil
	})
}

// tags returns the tags of the repository app and their digests.
func (w *world) tags(ctx context.Context) (map[string]string, error) {
	repository, err := name.NewRepository(w.registry.Host + "/app")
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	tags, err := remote.List(repository, remote.WithContext(ctx))
	if refused := new(transport.Error); errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound {
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	for _, tag := range tags {
		held, err := remote.Head(repository.Tag(tag), remote.WithContext(ctx))
		if err != nil {
			return nil, err
		}
		found[tag] = held.Digest.String()
	}
	return found, nil
}

// repositoryBlob is a blob of a repository, with a short digest.
type repositoryBlob struct{ repository, digest string }

// blobs returns the blobs that the repositories of a command have: those of the image and of the cache.
func (w *world) blobs() map[repositoryBlob]bool {
	found := map[repositoryBlob]bool{}
	for _, repository := range []string{"app", "cache"} {
		entries, _ := os.ReadDir(filepath.Join(w.registry.Dir(),
			"data/docker/registry/v2/repositories", repository, "_layers/sha256"))
		for _, entry := range entries {
			found[repositoryBlob{repository, "sha256:" + entry.Name()[:8] + "…"}] = true
		}
	}
	return found
}

package buildkit_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// testBuilder builds plans on the tests' daemon and counts the bytes that go there.
type testBuilder struct {
	c          *client.Client
	written    atomic.Int64
	repository string
}

func newTestBuilder(t testing.TB) *testBuilder {
	t.Helper()
	return newTestBuilderOn(t, &shared)
}

func newTestBuilderOn(t testing.TB, daemon *daemontest.Daemon) *testBuilder {
	t.Helper()
	endpoint := daemon.Endpoint(t)
	b := &testBuilder{repository: registrytest.New(t).Host() + "/image"}
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimPrefix(endpoint, "unix://"))
		return &countedConn{Conn: conn, written: &b.written}, err
	}
	var err error
	if b.c, err = client.New(t.Context(), endpoint, client.WithContextDialer(dial)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.c.Close() })
	return b
}

type countedConn struct {
	net.Conn
	written *atomic.Int64
}

func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err
}

// build loads and solves a plan, and returns the files of the image.
func (b *testBuilder) build(ctx context.Context, plan inputs.Plan) (record, error) {
	ctx, stop := context.WithTimeoutCause(ctx, caseLimit, errors.New("the build took too long"))
	defer stop()
	plan.Repositories = []string{b.repository}
	inputs, err := inputs.Load(ctx, plan)
	if err != nil {
		return nil, err
	}
	built, err := buildkit.Solve(
		ctx, b.c, plan, inputs, buildkit.Access{Credentials: noCredentials}, func(buildkit.Event) {},
	)
	if err != nil {
		return nil, err
	}
	return imageFiles(ctx, b.repository+"@"+built.Digest)
}

// wantContent builds a plan and compares the content of files in the image.
func (b *testBuilder) wantContent(t *testing.T, plan inputs.Plan, want map[string]string) {
	t.Helper()
	files, err := b.build(t.Context(), plan)
	if err != nil {
		t.Error(err)
	}
	for name, content := range want {
		if sum := sha256.Sum256([]byte(content)); !strings.Contains(files[name], fmt.Sprintf("%x", sum[:6])) {
			t.Errorf("%s is %q, want the content %q", name, files[name], content)
		}
	}
}

// writeAlike writes files with a fixed time into a folder. Files of the same size then differ in their content only.
func writeAlike(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	stamp := time.Unix(1_500_000_000, 0)
	for name, content := range files {
		path := filepath.Join(dir, name)
		err := errors.Join(
			os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644),
			os.Chtimes(path, stamp, stamp), os.Chtimes(filepath.Dir(path), stamp, stamp),
		)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func inlinePlan(dir, dockerfile string) inputs.Plan {
	return inputs.Plan{Files: inputs.Files{Context: dir, Inline: []byte(dockerfile)}}
}

// A daemon compares sizes, times and modes only. Two folders that are alike in these still get their own bytes.
func TestFoldersThatLookAlikeKeepTheirBytes(t *testing.T) {
	t.Parallel()
	b, one, other := newTestBuilder(t), t.TempDir(), t.TempDir()
	writeAlike(t, one, map[string]string{"a": "AAAA", "d/b": "AAAA"})
	writeAlike(t, other, map[string]string{"a": "BBBB", "d/b": "BBBB"})
	for range 2 {
		b.wantContent(t, inlinePlan(one, "FROM scratch\nCOPY . /x/"), map[string]string{"x/a": "AAAA", "x/d/b": "AAAA"})
		b.wantContent(
			t, inlinePlan(other, "FROM scratch\nCOPY . /x/"), map[string]string{"x/a": "BBBB", "x/d/b": "BBBB"},
		)
	}
}

// A folder changes its contents there and back, and nothing else. In each round three builds run at once: two of one
// scope, which share a key at the daemon, and one of another scope.
func TestChangeThereAndBack(t *testing.T) {
	t.Parallel()
	b, dir := newTestBuilder(t), t.TempDir()
	for _, content := range []string{"AAAA", "BBBB", "AAAA", "CCCC", "BBBB", "AAAA"} {
		writeAlike(t, dir, map[string]string{"a": content, "d/b": content + "d", "d/c": "stays"})
		var all sync.WaitGroup
		for i := range 2 {
			all.Go(func() {
				plan := inlinePlan(dir, fmt.Sprintf("FROM scratch\nCOPY . /x/\nCOPY <<EOF /n\n%d%s\nEOF", i, content))
				b.wantContent(t, plan, map[string]string{"x/a": content, "x/d/b": content + "d"})
			})
		}
		all.Go(func() {
			b.wantContent(
				t, inlinePlan(dir, "FROM scratch\nCOPY d /x/"), map[string]string{"x/b": content + "d", "x/c": "stays"},
			)
		})
		all.Wait()
	}
}

// An image has the current mode of a folder, even if the daemon first received the folder with another mode.
func TestFolderHasItsCurrentMode(t *testing.T) {
	t.Parallel()
	for _, dockerfile := range []string{
		"FROM scratch\nCOPY . /x/", "FROM scratch\nCOPY d /x/d", "FROM scratch\nCOPY --exclude=f . /x/",
	} {
		b, dir := newTestBuilder(t), t.TempDir()
		writeAlike(t, dir, map[string]string{"d/e/f": "f", "d/e/g": "g", "h/i": "i"})
		folder := filepath.Join(dir, "d", "e")
		for _, mode := range []os.FileMode{0o755, 0o700, 0o775, 0o755 | os.ModeSetgid, 0o755} {
			must(os.Chmod(folder, mode))
			files, err := b.build(t.Context(), inlinePlan(dir, dockerfile))
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf(" %v ", mode|os.ModeDir); !strings.Contains(files["x/d/e"], want) {
				t.Errorf("%s: mode %v: the image has %q", dockerfile, mode, files["x/d/e"])
			}
		}
	}
}

// The file that an ONBUILD of a base image reads was not hashed, so it is not sent.
func TestOnBuildReadsNothingThatWasNotHashed(t *testing.T) {
	t.Parallel()
	b, dir := newTestBuilder(t), t.TempDir()
	base := baseWithOnBuild(t, "COPY secret /stolen")
	const big = 4 << 20
	writeAlike(t, dir, map[string]string{"a": strings.Repeat("0123", big/4), "secret": "hidden"})
	plan := inlinePlan(dir, fmt.Sprintf("FROM %s\nCOPY a /a", base))
	before := b.written.Load()
	_, err := b.build(t.Context(), plan)
	if err == nil || !strings.HasPrefix(err.Error(), "the build reads secret of the build context") ||
		!errors.As(err, new(*inputs.UnhashedError)) {
		t.Errorf("got %v", err)
	}
	if n := b.written.Load() - before; n > 100<<10 {
		t.Errorf("%d bytes were sent before the error", n)
	}
	plan.WatchAll = true
	b.wantContent(t, plan, map[string]string{"stolen": "hidden", "a": string(bytes.Repeat([]byte("0123"), big/4))})
}

// baseWithOnBuild pushes an image whose ONBUILD is an instruction.
func baseWithOnBuild(t *testing.T, instruction string) (reference string) {
	t.Helper()
	registry := registrytest.New(t)
	image := registrytest.Image(t, "linux/amd64")
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.Config.OnBuild = []string{instruction}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		t.Fatal(err)
	}
	registry.Push(t, "base:1", image)
	return registry.Host() + "/base:1"
}

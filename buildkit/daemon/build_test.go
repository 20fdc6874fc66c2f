//go:build linux

package daemon_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/platforms"
	bk "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/tonistiigi/fsutil"
)

// run executes the shell script in a step of the platform, over busybox with all its applets, and returns what it
// printed. The step has a read-only mount, for which snapshotters keep other records than for its root.
func run(ctx context.Context, t *testing.T, endpoint, platform, script string, opts ...bk.ClientOpt) (string, error) {
	t.Helper()
	parsed := platforms.MustParse(platform)
	dir := filepath.Join("../../.cache/fixtures", "busybox-"+parsed.Architecture)
	if _, err := os.Stat(filepath.Join(dir, "busybox")); err != nil {
		t.Fatalf("%v: run make fixtures", err)
	}
	local, err := fsutil.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	base := llb.Scratch().
		File(llb.Copy(llb.Local("busybox"), "busybox", "/bin/busybox", &llb.CopyInfo{CreateDestPath: true}))
	step := base.
		Run(llb.Args([]string{"/bin/busybox", "sh", "-c", "/bin/busybox --install -s /bin && " + script}),
			llb.IgnoreCache,
			llb.AddEnv("PATH", "/bin"),
			llb.AddMount("/base", base, llb.Readonly)).Root()
	definition, err := step.Marshal(ctx, llb.Platform(parsed))
	if err != nil {
		t.Fatal(err)
	}
	c, err := bk.New(ctx, endpoint, opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	status, output := make(chan *bk.SolveStatus), make(chan string)
	go func() {
		var printed strings.Builder
		for update := range status {
			for _, log := range update.Logs {
				printed.Write(log.Data)
			}
		}
		output <- printed.String()
	}()
	_, err = c.Solve(ctx, definition, bk.SolveOpt{LocalMounts: map[string]fsutil.FS{"busybox": local}}, status)
	return <-output, err
}

// mustRun runs the script on this machine's own platform and returns its output. It fails the test on an error.
func mustRun(t *testing.T, endpoint, script string) string {
	t.Helper()
	output, err := run(t.Context(), t, endpoint, platforms.DefaultString(), script)
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return output
}

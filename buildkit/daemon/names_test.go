//go:build linux

package daemon_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/platforms"
	bk "github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// oddName has each character that is special in a URL, a mount option, TOML, a list of folders or a shell. It also has
// bytes that are not UTF-8.
const oddName = "a%2Fb%zz#c?d:e,f=g\\040h\"i'j k\tl\nm@n[o]{p}$q`r*é☃\u200b\x7f\xff"

// The folder of the daemon and the folder of the programs can have any name, however long. The daemon starts there, and
// steps have a network.
func TestAnyFolderName(t *testing.T) {
	skipWithoutDaemon(t)
	bin := filepath.Join(t.TempDir(), oddName)
	must(t, os.Mkdir(bin, 0o755))
	for _, name := range []string{"buildkitd", "runc", "pulumi-buildkit-network"} {
		path, err := filepath.Abs("../../bin/" + name)
		must(t, err, os.Symlink(path, filepath.Join(bin, name)))
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(t.TempDir(), oddName))
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), oddName))
	dir := filepath.Join(t.TempDir(), oddName, strings.Repeat("long", 40), "d")
	stopDaemonAtCleanup(t, dir)
	lease, _ := acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
	dial := bk.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lease.Dial(ctx) })
	output, err := run(t.Context(), t, "unix:///any", platforms.DefaultString(), "ip addr show eth0 && echo done", dial)
	if err != nil || !strings.HasSuffix(output, "done\n") || lease.OfflineReason() != "" {
		t.Errorf("%v, offline %q\n%s", err, lease.OfflineReason(), output)
	}
	again, lines := acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
	if again.Endpoint() != lease.Endpoint() || len(lines) > 0 {
		t.Errorf("the daemon was not joined: %q", lines)
	}
	must(t, lease.Release(), again.Release())
	wantGone(t, dir)
}

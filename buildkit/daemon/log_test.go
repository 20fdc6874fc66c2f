//go:build linux

package daemon_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// logBuffer collects the records of a logger as text.
type logBuffer struct{ bytes.Buffer }

func (b *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// The log of a client says whether it started or joined a daemon, and which.
func TestLogTellsWhichDaemonWasTaken(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	var first, second logBuffer
	lease, _ := acquire(t, daemon.Options{Dir: dir, Idle: 300 * time.Millisecond, Log: first.logger()})
	wantTexts(t, first.String(),
		`msg="folder chosen" folder=`+dir+" origin=options\n",
		`msg="daemon not joined" folder=`+dir+` reason="nothing listens"`,
		`msg="program found" name=buildkitd path=/`, ` version="buildkitd `, `name=runc path=`, ` sha256=`,
		`msg="daemon started" folder=`+dir+" keeper=", " snapshotter=overlayfs idle=300ms")
	again, _ := acquire(t, daemon.Options{Dir: dir, Log: second.logger()})
	wantTexts(t, second.String(), `msg="daemon joined" folder=`+dir+" keeper=")
	if strings.Contains(second.String(), "daemon started") {
		t.Errorf("the daemon was joined, but the log says that it was started:\n%s", second.String())
	}
	must(t, lease.Release(), again.Release())
	wantGone(t, dir)
	text, err := os.ReadFile(filepath.Join(dir, "debug.log"))
	must(t, err)
	wantTexts(t, string(text), `msg="keeper started" process=`, " idle=300ms\n", `msg="daemon started" process=`,
		`msg="daemon stops" reason="no lease for 300ms"`, `msg="daemon stopped" state=`, `msg="keeper exits"`)
}

// The log of a client that finds a daemon of another version in use says so.
func TestLogTellsWhyAnotherFolderIsUsed(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	other := startClient(t, dir, time.Minute, otherVersionPath(t))
	other.endpoint(t)
	var log logBuffer
	acquire(t, daemon.Options{Dir: dir, Idle: time.Second, Log: log.logger()})
	wantTexts(t, log.String(),
		`msg="daemon not joined" folder=`+dir+` reason="it is of another version or configuration"`,
		`msg="another folder needed" folder=`+dir+" reason=", "and other builds use it",
		`msg="daemon started" folder=`+dir+"/beside-")
}

// The log has the names of registries and the kinds of their settings, but neither certificates nor their paths.
func TestLogHoldsNoCertificate(t *testing.T) {
	t.Parallel()
	dir, authority := newDaemonFolder(t), filepath.Join(t.TempDir(), "private.pem")
	must(t, os.WriteFile(authority, []byte("SECRET"), 0o600))
	var log logBuffer
	_, err := daemon.Acquire(context.Background(), daemon.Options{
		Dir: dir, Keeper: []string{"true"}, Log: log.logger(),
		Registries: map[string]daemon.Registry{"registry.example.com": {CAFile: authority}},
	})
	if err == nil {
		t.Fatal("the daemon started")
	}
	wantTexts(t, log.String(), `msg="registry given to the daemon"`,
		`registry=registry.example.com authority=true "plain http"=false`)
	if strings.Contains(log.String(), "SECRET") || strings.Contains(log.String(), authority) {
		t.Errorf("the log has the certificate or its path:\n%s", log.String())
	}
}

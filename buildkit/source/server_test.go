package source

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc/metadata"
)

// connect returns the daemon's end of a real session that serves trees.
func connect(t *testing.T, server *Server) session.Caller {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	s, err := session.NewSession(ctx, "test")
	if err != nil {
		t.Fatal(err)
	}
	s.Allow(server)
	daemon, err := session.NewManager()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Run(ctx, func(ctx context.Context, _ string, meta map[string][]string) (net.Conn, error) {
			near, far := net.Pipe()
			go func() { _ = daemon.HandleConn(ctx, far, meta) }()
			return near, nil
		})
	}()
	t.Cleanup(func() { _ = s.Close(); cancel(); <-ended })
	caller, err := daemon.Get(ctx, s.ID(), false)
	if err != nil {
		t.Fatal(err)
	}
	return caller
}

// receive takes a local source as a daemon does, into a new folder.
func receive(t *testing.T, server *Server, opt filesync.FSSendRequestOpt) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	opt.DestDir = t.TempDir()
	opt.Filter = func(_ string, stat *types.Stat) bool { // only root may give files away
		stat.Uid, stat.Gid = uint32(os.Getuid()), uint32(os.Getgid())
		return true
	}
	return opt.DestDir, filesync.FSSync(ctx, connect(t, server), opt)
}

func serverOf(t *testing.T, dir string) *Server {
	t.Helper()
	scanned, err := Scan(t.Context(), dir, Scope{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return NewServer(map[string]*Tree{"context": scanned})
}

func TestServerSendsTheTreeThatWasHashed(t *testing.T) {
	t.Parallel()
	files := baseFiles()
	files["ünï/p%20q"] = "odd names"
	dir := writeTree(t, files)
	if err := os.Chmod(filepath.Join(dir, "a.txt"), 0o750); err != nil {
		t.Fatal(err)
	}
	got, err := receive(t, serverOf(t, dir), filesync.FSSendRequestOpt{Name: "context"})
	if err != nil {
		t.Fatal(err)
	}
	if digestOf(t, got) != digestOf(t, dir) {
		t.Errorf("received %q, sent %q", paths(t, got), paths(t, dir))
	}
}

// A daemon would take a part of the tree for the whole, and remove the rest from what it keeps.
func TestServerSendsTheWholeTreeWhateverIsAskedFor(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, map[string]string{"a/1": "", "b/2": "", ".dockerignore": "c", "link": "->a"})
	server := serverOf(t, dir)
	for _, follow := range [][]string{nil, {"link"}, {"b", "nope"}} {
		request := filesync.FSSendRequestOpt{Name: "context", FollowPaths: follow, ExcludePatterns: []string{"b"}}
		got, err := receive(t, server, request)
		if err != nil {
			t.Fatal(err)
		}
		if names := strings.Join(paths(t, got), " "); names != ".dockerignore a a/1 b b/2 link" {
			t.Errorf("asked for %q: received %s", follow, names)
		}
	}
	got, err := receive(t, server, filesync.FSSendRequestOpt{Name: "context", FollowPaths: []string{".dockerignore"}})
	if names := paths(t, got); err != nil || len(names) != 1 || names[0] != ".dockerignore" {
		t.Errorf("asked for the ignore file: received %q, %v", names, err)
	}
}

// fsutil's filter can list a file and refuse to open it, and then sends it empty. Only a request for the ignore file
// alone is filtered: here COPY .dockerignore, a link to a file that the ignore file takes back.
func TestServerSendsTheContentOfWhatItsFilterTakes(t *testing.T) {
	t.Parallel()
	dir := writeTree(t, map[string]string{
		".dockerignore": "->cfg/ignore", "cfg/ignore": "cfg\n!cfg/ignore\n**/cfg\n", "cfg/other": "", "more": "",
	})
	got, err := receive(t, serverOf(t, dir), filesync.FSSendRequestOpt{
		Name: "context", FollowPaths: []string{".dockerignore"},
		ExcludePatterns: []string{"cfg", "!cfg/ignore", "**/cfg"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if names := strings.Join(paths(t, got), " "); names != ".dockerignore cfg cfg/ignore" {
		t.Errorf("received %s", names)
	}
	if text, _ := os.ReadFile(filepath.Join(got, "cfg", "ignore")); string(text) != "cfg\n!cfg/ignore\n**/cfg\n" {
		t.Errorf("received the content %q", text)
	}
}

func TestServerSendsFilesInMemory(t *testing.T) {
	t.Parallel()
	file := FromFiles(map[string][]byte{"Dockerfile": []byte("FROM scratch")})
	server := NewServer(map[string]*Tree{"dockerfile": file})
	got, err := receive(t, server, filesync.FSSendRequestOpt{
		Name: "dockerfile", FollowPaths: []string{"Dockerfile", "Dockerfile.dockerignore"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(filepath.Join(got, "Dockerfile")); string(text) != "FROM scratch" {
		t.Errorf("received %q", text)
	}
}

func TestServerRefusesOtherFolders(t *testing.T) {
	t.Parallel()
	// A daemon's receiver may only say that the stream has ended, so this reads what the server sent.
	ctx := metadata.AppendToOutgoingContext(t.Context(), "dir-name", "/etc")
	stream, err := filesync.NewFileSyncClient(connect(t, serverOf(t, writeTree(t, baseFiles()))).Conn()).DiffCopy(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	if err == nil || !strings.Contains(err.Error(), `asks for a local source "/etc" that it was not given`) {
		t.Errorf("got %v", err)
	}
}

// A file that is not what was hashed ends the transfer, and the error names it. No empty or short file arrives
// unnoticed.
func TestServerEndsTheTransferWhenAFileIsNotWhatWasHashed(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	changes := map[string]struct {
		change func(path string) error
		cause  string
		kind   FileChange
	}{
		"other bytes": {
			func(p string) error { return os.WriteFile(p, bytes.Repeat([]byte{'y'}, size), 0o644) },
			"other content in the same", Rewritten,
		},
		"truncated": {
			func(p string) error { return os.Truncate(p, size/2) },
			"it shrank from 1048576 to 524288 bytes", Shrank,
		},
		"emptied": {
			func(p string) error { return os.Truncate(p, 0) },
			"it shrank from 1048576 to 0 bytes", Shrank,
		},
		"grown": {
			func(p string) error { return os.WriteFile(p, bytes.Repeat([]byte{'x'}, size+1), 0o644) },
			"it grew past 1048576 bytes", Grew,
		},
		"deleted": {os.Remove, "no such file", Vanished},
		"now a link": {
			func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/etc/passwd", p)) },
			"", Replaced,
		},
		"now a FIFO": {func(p string) error { return errors.Join(os.Remove(p), makeFIFO(p)) }, "", ""},
		"now a folder": {
			func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o755)) },
			"is a directory", Replaced,
		},
	}
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := writeTree(t, map[string]string{"sub/big": strings.Repeat("x", size), "other": "y"})
			server := serverOf(t, dir)
			if err := c.change(filepath.Join(dir, "sub", "big")); errors.Is(err, errors.ErrUnsupported) {
				t.Skip("NOT TESTED: " + err.Error())
			} else if err != nil {
				t.Fatal(err)
			}
			if _, err := receive(t, server, filesync.FSSendRequestOpt{Name: "context"}); err == nil {
				t.Error("the daemon took the changed file")
			}
			err := server.Err()
			const prefix = "sub/big changed between hashing and sending"
			if err == nil || !strings.HasPrefix(err.Error(), prefix) || !strings.Contains(err.Error(), c.cause) {
				t.Errorf("got %v", err)
			}
			file, ok := errors.AsType[*ChangedError](server.Err())
			if !ok || file.Path != "sub/big" || file.Source != "context" || c.kind != "" && file.Change != c.kind {
				t.Errorf("%+v, want %s", file, c.kind)
			}
		})
	}
}

// A daemon compares only size, time and mode, so other content must have another time.
func TestServerTellsEqualStatsApart(t *testing.T) {
	t.Parallel()
	stamp := time.Unix(499162500, 0)
	var times []int64
	for _, content := range []string{"AAAA", "BBBB", "AAAA"} {
		dir := writeTree(t, map[string]string{"f": content})
		if err := os.Chtimes(filepath.Join(dir, "f"), stamp, stamp); err != nil {
			t.Fatal(err)
		}
		scanned, err := Scan(t.Context(), dir, Scope{}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		times = append(times, scanned.entries[0].mtime)
	}
	if times[0] == times[1] || times[0] != times[2] {
		t.Errorf("times %v: content must decide", times)
	}
	if got := time.Unix(0, times[1]).Unix(); got != stamp.Unix() {
		t.Errorf("second %d, want the real one, %d: layers hold it", got, stamp.Unix())
	}
}

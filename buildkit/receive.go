package buildkit

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/foreign"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// Keys of BuildKit's metadata (session/filesync).
const (
	exportNumber    = "buildkit-attachable-exporter-id"  // which of the exports a stream is about
	exportPlatforms = "buildkit-exporter-multi-platform" // the daemon sends all platforms in one stream
)

// receiver is the part of a session that takes the files that the daemon exports.
type receiver struct {
	folders  map[int]*exportedFolder // by the number of the export
	archives *filesync.SyncTarget
	stop     func(error) error // remembers the error: one that passes the daemon comes back as text
}

// Register makes the receiver part of a session.
func (r *receiver) Register(g *grpc.Server) { filesync.RegisterFileSendServer(g, r) }

// DiffCopy takes one export.
func (r *receiver) DiffCopy(stream filesync.FileSend_DiffCopyServer) error {
	md, _ := metadata.FromIncomingContext(stream.Context())
	number := 0
	if values := md.Get(exportNumber); len(values) > 0 {
		number, _ = strconv.Atoi(values[0]) // as BuildKit's own receiver reads it
	}
	folder := r.folders[number]
	if folder == nil {
		return rescue.Call(func() error { return r.archives.DiffCopy(stream) })
	}
	return rescue.Call(func() error {
		err := folder.receive(stream, slices.Contains(md.Get(exportPlatforms), "1"))
		if old, ok := errors.AsType[*OldDaemonError](err); ok {
			return r.stop(old)
		}
		if path, cause, ok := fileError(folder.root.Name(), err); ok {
			return r.stop(&ExportError{Path: path, Err: cause})
		}
		return err
	})
}

// close closes the folders. It warns of files that differ from those in the image.
func (r *receiver) close(warn func(error)) {
	for _, number := range slices.Sorted(maps.Keys(r.folders)) {
		if warning := r.folders[number].plainFiles(); warning != nil {
			warn(warning)
		}
		_ = r.folders[number].root.Close()
	}
	r.folders = nil
}

// exportedFolder takes the plain files, folders and links of an image. It writes links as they are and never follows
// them. It refuses paths that lead out of the folder.
type exportedFolder struct {
	root   *os.Root
	mirror bool // files that the image lacks are removed

	mu      sync.Mutex
	masked  []string // files that lost a mode bit
	skipped []string // paths of devices, FIFOs and sockets
}

// receive takes the files of one stream. all says that the stream has all platforms. It returns an *OldDaemonError if a
// daemon that sends platforms apart would have to mirror the image.
func (f *exportedFolder) receive(stream filesync.FileSend_DiffCopyServer, all bool) error {
	opt := fsutil.ReceiveOpt{Merge: !f.mirror, Filter: f.makePlain}
	if f.mirror {
		if !all {
			return &OldDaemonError{Text: fmt.Sprintf("the daemon does not know mode=%s of a local export",
				client.LocalExporterModeDelete)}
		}
		opt.Differ = fsutil.DiffNone // every file is asked for
	}
	return fsutil.ReceiveRoot(stream.Context(), stream, fsutil.NewRoot(f.root), opt)
}

// makePlain turns the entry of an image into a plain one of this user: without setuid, setgid and capabilities. It
// returns false for a device, a FIFO or a socket.
func (f *exportedFolder) makePlain(path string, stat *types.Stat) bool {
	const special = fs.ModeSetuid | fs.ModeSetgid
	mode := fs.FileMode(stat.Mode)
	stat.Uid, stat.Gid = uint32(os.Getuid()), uint32(os.Getgid())
	switch mode.Type() {
	case 0, fs.ModeDir, fs.ModeSymlink:
	default:
		f.note(&f.skipped, path)
		return false
	}
	lost := mode&special != 0
	stat.Mode = uint32(mode &^ special)
	for key := range stat.Xattrs {
		if !strings.HasPrefix(key, "user.") { // security.capability has the effect of a setuid bit
			lost = lost || key == "security.capability"
			delete(stat.Xattrs, key)
		}
	}
	if lost {
		f.note(&f.masked, path)
	}
	return true
}

// note adds a path to a list, once.
func (f *exportedFolder) note(list *[]string, path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(*list, path) && len(*list) < 1000 {
		*list = append(*list, path)
	}
}

// plainFiles returns the warning about files that differ from those in the image; nil if none do.
func (f *exportedFolder) plainFiles() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.masked) == 0 && len(f.skipped) == 0 {
		return nil
	}
	return &PlainFilesError{Folder: f.root.Name(), Masked: f.masked, Skipped: f.skipped}
}

// PlainFilesError is a warning about a local export: some of its files differ from those in the image.
type PlainFilesError struct {
	Folder  string
	Masked  []string // files that were written without setuid, setgid and capabilities
	Skipped []string // devices, FIFOs and sockets
}

// Error names the folder and the first of the files.
func (e *PlainFilesError) Error() string {
	var parts []string
	if len(e.Masked) > 0 {
		parts = append(parts, foreign.QuoteFirst(e.Masked)+" without setuid, setgid and capabilities")
	}
	if len(e.Skipped) > 0 {
		parts = append(parts, "not "+foreign.QuoteFirst(e.Skipped)+", which are devices, FIFOs or sockets")
	}
	return fmt.Sprintf("local export to %s: plain files only were written: %s", e.Folder, strings.Join(parts, "; "))
}

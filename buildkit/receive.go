package buildkit

import (
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

// Keys of BuildKit's metadata (session/filesync): which of the exports a stream is about, and that the daemon sends all
// platforms in one stream.
const (
	exportNumber    = "buildkit-attachable-exporter-id"
	exportPlatforms = "buildkit-exporter-multi-platform"
)

// receiver is the part of a session that takes what the daemon exports.
type receiver struct {
	folders  map[int]*exportedFolder // by the number of the export
	archives *filesync.SyncTarget
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
	return rescue.Call(func() error { return folder.receive(stream, slices.Contains(md.Get(exportPlatforms), "1")) })
}

// close closes the folders and passes on what is not in them as in the image.
func (r *receiver) close(warn func(string)) {
	for _, number := range slices.Sorted(maps.Keys(r.folders)) {
		if warning := r.folders[number].warning(); warning != "" {
			warn(warning)
		}
		_ = r.folders[number].root.Close()
	}
	r.folders = nil
}

// exportedFolder takes the files of an image: plain files, folders and links. Links are written as they are and never
// followed, and what the image has lies below the folder or is refused.
type exportedFolder struct {
	root   *os.Root
	mirror bool // what the image lacks is removed

	mu      sync.Mutex
	masked  []string // files that lost a mode bit
	skipped []string // what is no file, folder or link
}

func (f *exportedFolder) receive(stream filesync.FileSend_DiffCopyServer, all bool) error {
	opt := fsutil.ReceiveOpt{Merge: !f.mirror, Filter: f.makePlain}
	if f.mirror {
		if !all {
			return fmt.Errorf("the daemon does not know mode=%s of a local export: use a newer one",
				client.LocalExporterModeDelete)
		}
		opt.Differ = fsutil.DiffNone // every file is asked for
	}
	return fsutil.ReceiveRoot(stream.Context(), stream, fsutil.NewRoot(f.root), opt)
}

// makePlain makes a plain file of what an image has, and returns false for what cannot be one. Files belong to this user.
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
		if !strings.HasPrefix(key, "user.") { // security.capability is a setuid bit by another name
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

// warning says what is not as in the image, "" when everything is.
func (f *exportedFolder) warning() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var parts []string
	if len(f.masked) > 0 {
		parts = append(parts, foreign.QuoteFirst(f.masked)+" without setuid, setgid and capabilities")
	}
	if len(f.skipped) > 0 {
		parts = append(parts, "not "+foreign.QuoteFirst(f.skipped)+", which are devices, FIFOs or sockets")
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("local export to %s: plain files only were written: %s. Export tar to keep them",
		f.root.Name(), strings.Join(parts, "; "))
}

package buildkit_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// recorder serves raw folders in a session with fsutil's filters, as BuildKit's own client does. It records all
// that is sent. It shares no code with package source, which it checks.
type recorder struct {
	dirs  map[string]string // by local source
	whole bool              // contexts are sent whole, whatever part of them is asked for

	mu   sync.Mutex
	sent map[string]sentFile // by "source/path"
}

// sentFile is what went over the wire for one path.
type sentFile struct {
	stat    *types.Stat
	content [sha256.Size]byte
	whole   bool // the content was asked for and sent to its end
	emptied bool // BuildKit's own client would have sent no content
}

func newRecorder(dirs map[string]string) *recorder {
	return &recorder{dirs: dirs, sent: map[string]sentFile{}}
}

func (r *recorder) Register(g *grpc.Server) { filesync.RegisterFileSyncServer(g, r) }

func (r *recorder) TarStream(filesync.FileSync_TarStreamServer) error {
	return status.Error(codes.Unimplemented, "no")
}

func (r *recorder) DiffCopy(stream filesync.FileSync_DiffCopyServer) error {
	md, _ := metadata.FromIncomingContext(stream.Context())
	name := strings.Join(decodeMetadata(md, "dir-name"), "")
	dir, ok := r.dirs[name]
	if !ok {
		return status.Errorf(codes.NotFound, "no access allowed to dir %q", name)
	}
	disk, err := fsutil.NewFS(dir)
	if err != nil {
		return err
	}
	owned, err := fsutil.NewFilterFS(disk, &fsutil.FilterOpt{Map: func(_ string, s *types.Stat) fsutil.MapResult {
		s.Uid, s.Gid = 0, 0
		return fsutil.MapResultKeep
	}})
	if err != nil {
		return err
	}
	filter := &fsutil.FilterOpt{
		IncludePatterns: decodeMetadata(md, "include-patterns"),
		ExcludePatterns: decodeMetadata(md, "exclude-patterns"),
		FollowPaths:     decodeMetadata(md, "followpaths"),
	}
	// The frontend reads the ignore file itself. The record has the files that remain, not the ignore file.
	ignoreFile := len(filter.ExcludePatterns) == 0 && slices.Equal(filter.FollowPaths, []string{".dockerignore"})
	if r.whole && name != "dockerfile" && !ignoreFile {
		filter.FollowPaths, filter.IncludePatterns = nil, nil
	}
	filtered, err := fsutil.NewFilterFS(owned, filter)
	if err != nil {
		return err
	}
	if ignoreFile {
		return fsutil.Send(stream.Context(), stream, filtered, nil)
	}
	// Send does this too: if a file has several names, the first one is seldom the one that is sent.
	filtered = fsutil.WithHardlinkReset(filtered)
	return fsutil.Send(
		stream.Context(), stream, &recordingFS{FS: filtered, unfiltered: owned, recorder: r, source: name}, nil,
	)
}

// decodeMetadata returns the values of a key, and decodes those that are marked as percent-encoded.
func decodeMetadata(md metadata.MD, key string) []string {
	raw := md[key]
	if marked := md[key+"-encoded"]; len(marked) == 0 || marked[0] != "1" && marked[0] != "true" {
		return raw
	}
	var decoded []string
	for _, v := range raw {
		text, err := url.QueryUnescape(v)
		if err != nil {
			panic(err)
		}
		decoded = append(decoded, text)
	}
	return decoded
}

func (r *recorder) note(source, path string, change func(*sentFile)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.sent[source+"/"+path]
	change(&f)
	r.sent[source+"/"+path] = f
}

// recordingFS records the files that pass through it. In one case it differs from BuildKit's own client.
//
// fsutil's filter reads an ignore file in two ways. Its walk applies the patterns to the folder above a file first. A
// pattern that repeats an earlier one about the folder has no effect then. Its Open applies all patterns to the file
// and to each folder above it. After
//
//	dist
//	!dist/app.js
//	**/dist
//
// dist/app.js is in the walk and cannot be opened. fsutil.Send then sends an empty file, which nobody wants. So the
// recorder opens every file of the walk, as source.Server does.
// TestBuildKitsClientEmptiesAnIgnoreException shows what BuildKit's own client does.
type recordingFS struct {
	fsutil.FS
	unfiltered fsutil.FS
	recorder   *recorder
	source     string
}

func (f *recordingFS) Walk(ctx context.Context, target string, fn fs.WalkDirFunc) error {
	return f.FS.Walk(ctx, target, func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			info, infoErr := entry.Info()
			if infoErr != nil {
				return infoErr
			}
			stat := info.Sys().(*types.Stat).Clone()
			f.recorder.note(f.source, path, func(s *sentFile) { s.stat = stat })
		}
		return fn(path, entry, err)
	})
}

func (f *recordingFS) Open(path string) (io.ReadCloser, error) {
	file, err := f.FS.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		f.recorder.note(f.source, path, func(s *sentFile) { s.emptied = true })
		file, err = f.unfiltered.Open(path)
	}
	if err != nil {
		return nil, err
	}
	return &recordedFile{ReadCloser: file, fs: f, path: path, hash: sha256.New()}, nil
}

type recordedFile struct {
	io.ReadCloser
	fs   *recordingFS
	path string
	hash hash.Hash
}

func (f *recordedFile) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	f.hash.Write(p[:n])
	if errors.Is(err, io.EOF) {
		f.fs.recorder.note(f.fs.source, f.path, func(s *sentFile) {
			s.content, s.whole = [sha256.Size]byte(f.hash.Sum(nil)), true
		})
	}
	return n, err
}

// record is what a build received, one line for each path. A line has everything that an image depends on: name, type,
// permissions without write for group and others, text of a link, content. It lacks owners, times and extended
// attributes: see the package comment of source.
type record map[string]string

// record returns the record of everything that was sent. A hard link counts as a file.
func (r *recorder) record() (record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := record{}
	for path, f := range r.sent {
		source, _, _ := strings.Cut(path, "/")
		mode, link := os.FileMode(f.stat.Mode), ""
		switch {
		case mode&os.ModeSymlink != 0:
			link = f.stat.Linkname
		case f.stat.Linkname != "":
			first := r.sent[source+"/"+f.stat.Linkname]
			f.content, f.whole = first.content, first.whole
		}
		if mode.IsRegular() && !f.whole {
			return nil, fmt.Errorf("the content of %s was not sent", path)
		}
		if source == "dockerfile" {
			if filepath.Base(path) != "Dockerfile" {
				continue
			}
			mode = 0
		}
		lines[path] = fmt.Sprintf("%v %q %x", mode&^0o022, link, f.content[:6])
	}
	return lines, nil
}

// hasEmptiedFile reports whether BuildKit's own client would have sent an empty file in place of one with content.
func (r *recorder) hasEmptiedFile() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.sent {
		if f.emptied && f.stat.Size > 0 {
			return true
		}
	}
	return false
}

func (r record) String() string { return diff(nil, r) }

// diff lists the differences of two records; "" if they are equal.
func diff(before, after record) string {
	var text strings.Builder
	all := record{}
	maps.Copy(all, before)
	maps.Copy(all, after)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if before[path] != after[path] {
			fmt.Fprintf(&text, "  %q: %s -> %s\n", path, before[path], after[path])
		}
	}
	return text.String()
}

package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue/wire"
)

// Server sends trees to a BuildKit daemon over a session, under the names of its local sources ("context", "dockerfile",
// the named contexts). Nothing but these trees can be asked for. It is a session attachable for one solve.
//
// Whatever part of a tree is asked for, the whole tree is sent: the filter of a request is no part of the key under which a
// daemon keeps what it received, and answers that take turns would replace each other, file by file, at every build.
type Server struct {
	// Epoch, when it is not nil, are the seconds since 1970 that every entry is sent with. Set it before the server is used.
	Epoch *int64

	trees map[string]*Tree
	mu    sync.Mutex
	err   error
}

// NewServer returns a server of trees by the name of the local source.
func NewServer(trees map[string]*Tree) *Server { return &Server{trees: trees} }

// Register makes the server part of a session.
func (s *Server) Register(g *grpc.Server) {
	filesync.RegisterFileSyncServer(wire.Services{ServiceRegistrar: g}, s)
}

// Err is the first reason for which a tree could not be sent as it was recorded, nil if there was none. It names the path;
// the daemon's own error seldom does.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// TarStream is the protocol of ancient daemons.
func (s *Server) TarStream(filesync.FileSync_TarStreamServer) error {
	return status.Error(codes.Unimplemented, "tar streams are not sent")
}

// DiffCopy answers one request for a local source.
func (s *Server) DiffCopy(stream filesync.FileSync_DiffCopyServer) error {
	md, _ := metadata.FromIncomingContext(stream.Context())
	req, err := parseRequest(md)
	if err != nil {
		return err
	}
	tree, ok := s.trees[req.name]
	if !ok {
		return status.Errorf(codes.NotFound, "the build asks for a local source %q that it was not given", req.name)
	}
	return s.send(stream, req.name, tree, req.filterToApply())
}

// send streams tree and ends the stream itself when a file is not what was recorded: fsutil's receiver would wait for ever
// for the rest of it. The sender, left behind, ends with the stream's context.
func (s *Server) send(stream filesync.FileSync_DiffCopyServer, name string, tree *Tree, filter *fsutil.FilterOpt) error {
	failed := make(chan error, 1)
	sent := &sentFS{ctx: stream.Context(), tree: tree, epoch: s.Epoch, fail: func(err error) { s.fail(withSource(err, name), failed) }}
	closeRoot, err := sent.open()
	if err != nil {
		s.fail(fmt.Errorf("the build context cannot be opened any more: %w", err), failed)
		return s.Err()
	}
	filtered, err := fsutil.NewFilterFS(sent, filter)
	if err != nil {
		closeRoot()
		return err
	}
	done := make(chan error, 1)
	rescue.Go(sent.fail, func() {
		defer closeRoot()
		done <- fsutil.Send(stream.Context(), stream, walkedFS{FS: filtered, open: sent.Open}, nil)
	})
	select {
	case err := <-failed:
		return err
	case err := <-done:
		if first := s.Err(); first != nil {
			return first
		}
		return err
	case <-stream.Context().Done():
		return context.Cause(stream.Context())
	}
}

// withSource notes in the error about a file in which local source it is.
func withSource(err error, name string) error {
	file, ok := errors.AsType[*ChangedError](err)
	if !ok {
		return err
	}
	known := *file
	known.Source = name
	return &known
}

// walkedFS opens whatever its walk took. fsutil's filter judges a path again when it opens it, by another reading of an
// ignore file that leaves out a folder, takes back a file of it and leaves out the folder in other words: what was in the
// walk is not there then, and fsutil.Send makes an empty file of it.
type walkedFS struct {
	fsutil.FS
	open func(path string) (io.ReadCloser, error)
}

// Open opens a file that was in the walk.
func (o walkedFS) Open(path string) (io.ReadCloser, error) { return o.open(path) }

func (s *sentFS) open() (closeRoot func(), err error) {
	if s.tree.root == "" {
		return func() {}, nil
	}
	if s.root, err = s.tree.open(s.tree.root); err != nil {
		return nil, err
	}
	return func() { _ = s.root.Close() }, nil
}

func (s *Server) fail(err error, failed chan<- error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
	select {
	case failed <- err:
	default: // the stream is being ended already
	}
}

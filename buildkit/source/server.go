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

// Server sends trees to a BuildKit daemon over a session, under the names of its local sources ("context",
// "dockerfile", the named contexts). A daemon can ask for these trees only. A Server is a session attachable for one
// solve.
//
// It sends the whole tree, whatever part of it a daemon asks for. The filter of a request is no part of the key under
// which a daemon keeps what it received. Different answers would replace each other, file by file, at every build.
type Server struct {
	// Epoch is the time that every entry is sent with, in seconds since 1970. Nil sends the times as they were
	// recorded. Set it before the server is used.
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

// Err returns the first reason why a tree could not be sent as it was recorded, or nil. It names the path, which the
// daemon's own error seldom does.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// TarStream returns an error: only ancient daemons use this protocol.
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

// send streams tree. When a file is not what was recorded it ends the stream itself, because fsutil's receiver would
// wait for ever for the rest of the file. The sender then ends with the stream's context.
func (s *Server) send(
	stream filesync.FileSync_DiffCopyServer, name string, tree *Tree, filter *fsutil.FilterOpt,
) error {
	failed := make(chan error, 1)
	fail := func(err error) { s.fail(withSource(err, name), failed) }
	sent := &sentFS{ctx: stream.Context(), tree: tree, epoch: s.Epoch, fail: fail}
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
	rescue.Go(fail, func() {
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

// withSource returns the error about a file with the name of its local source.
func withSource(err error, name string) error {
	file, ok := errors.AsType[*ChangedError](err)
	if !ok {
		return err
	}
	named := *file
	named.Source = name
	return &named
}

// walkedFS opens whatever its walk listed.
//
// fsutil filters again on Open. With patterns such as d, !d/x.log and **/d it decides differently than its walk did: a
// file that the walk listed does not exist then, and fsutil.Send sends it empty.
type walkedFS struct {
	fsutil.FS
	open func(path string) (io.ReadCloser, error)
}

// Open opens a file that was in the walk.
func (o walkedFS) Open(path string) (io.ReadCloser, error) { return o.open(path) }

// fail keeps the first error, and sends err to the stream that it ends.
func (s *Server) fail(err error, failed chan<- error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
	select {
	case failed <- err:
	default: // the stream is ending already
	}
}

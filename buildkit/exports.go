package buildkit

import (
	"context"
	"io"
	"maps"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session/filesync"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// Export is a result of a build besides the pushed image. It appears whole after the build has succeeded. A build that
// fails leaves no part of it.
type Export struct {
	// Type is "local" for the files of the image, "tar" for these files as an archive, and "oci" or "docker" for the
	// image as an archive.
	Type    string
	Options map[string]string // by BuildKit's names
	Dir     string            // of "local": where the files go; other files in there stay

	// Open makes the sink for the archive, before the build starts. It is nil for "local".
	Open func(ctx context.Context) (Sink, error)
}

// Sink takes one archive. The caller writes all of it, and then calls either Commit or Abort.
type Sink interface {
	io.Writer
	Commit() error
	Abort() error // nil, or why the sink took no more
}

// openExports opens the folders and sinks of the exports and returns the entries for the daemon. It returns an
// *ExportError for a folder that cannot be made, and the error of Open as it is.
//
// The image comes last, because each exporter's digest replaces the one before.
func (s *solve) openExports(ctx context.Context, exports []Export) ([]client.ExportEntry, error) {
	s.received = &receiver{
		folders: map[int]*exportedFolder{}, archives: filesync.NewFSSyncTarget(), stop: s.readGuard.stop,
	}
	var entries []client.ExportEntry
	for number, e := range exports {
		entry := client.ExportEntry{Type: e.Type, Attrs: map[string]string{}, OutputDir: e.Dir}
		maps.Copy(entry.Attrs, e.Options)
		if e.Open == nil {
			root, err := s.plan.Files.ProjectBounds().MakeRoot(e.Dir)
			if err != nil {
				return nil, &ExportError{Err: err}
			}
			mirror := e.Options["mode"] == string(client.LocalExporterModeDelete)
			s.received.folders[number] = &exportedFolder{root: root, mirror: mirror}
			entries = append(entries, entry)
			continue
		}
		sink, err := e.Open(ctx)
		if err != nil {
			return nil, err
		}
		s.sinks = append(s.sinks, sink)
		entry.Output = func(map[string]string) (io.WriteCloser, error) { return keepOpen{sink}, nil }
		s.received.archives.Add(filesync.WithFSSync(number, entry.Output))
		entries = append(entries, entry)
	}
	entries = append(entries, imageExports(s.plan)...)
	alignCompression(s.plan, entries)
	return entries, nil
}

// keepOpen is a sink that the daemon cannot close. Only the return of the solve shows whether the archive is complete.
type keepOpen struct{ io.Writer }

// Write writes to the sink. The session calls it in a goroutine of its own.
func (o keepOpen) Write(data []byte) (int, error) {
	return rescue.Value(func() (int, error) { return o.Writer.Write(data) })
}

// Close does nothing.
func (keepOpen) Close() error { return nil }

// finish closes what the solve has opened. It commits the sinks if err is nil, and aborts them otherwise. It returns
// err, or the reason why a sink took no more, because that is the cause of err.
func (s *solve) finish(ctx context.Context, err error) error {
	if s.received != nil {
		s.received.close(func(warning error) {
			if err == nil {
				s.steps.warn(warning)
			}
		})
	}
	for _, store := range s.stores {
		_ = store.root.Close()
	}
	for _, sink := range s.sinks {
		if err == nil {
			err = sink.Commit()
		} else if cause := sink.Abort(); cause != nil && ctx.Err() == nil {
			err = cause
		}
	}
	return err
}

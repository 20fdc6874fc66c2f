package buildkit

import (
	"context"
	"fmt"
	"io"
	"maps"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session/filesync"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// Export is something that a build leaves beside the image that is pushed. It is there when the build has succeeded, and not
// in parts when it has not.
type Export struct {
	Type  string            // "local": the files of the image; "tar": they as an archive; "oci" and "docker": the image as an archive
	Attrs map[string]string // by BuildKit's names
	Dir   string            // of "local": where the files go; what is there stays

	// Open makes what gets the archive of the others, before the build starts.
	Open func(ctx context.Context) (Sink, error)
}

// Sink gets one archive: Write it to its end, and then either Commit or Abort.
type Sink interface {
	io.Writer
	Commit() error
	Abort() error // nil, or why it took no more
}

// openExports are what the daemon is asked for: the image last, because each exporter's digest replaces the one before.
func (s *solve) openExports(ctx context.Context, exports []Export) ([]client.ExportEntry, error) {
	s.received = &receiver{folders: map[int]*exportedFolder{}, archives: filesync.NewFSSyncTarget()}
	var entries []client.ExportEntry
	for number, e := range exports {
		entry := client.ExportEntry{Type: e.Type, Attrs: maps.Clone(e.Attrs), OutputDir: e.Dir}
		if e.Open == nil {
			root, err := s.plan.Files.ProjectBounds().MakeRoot(e.Dir)
			if err != nil {
				return nil, fmt.Errorf("exports: %w", err)
			}
			mirror := e.Attrs["mode"] == string(client.LocalExporterModeDelete)
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
	return append(entries, imageExports(s.plan)...), nil
}

// keepOpen is a sink that stays open when the daemon has sent what there is: whether that is all shows when the solve returns.
type keepOpen struct{ io.Writer }

// Write is called in a goroutine of the session.
func (o keepOpen) Write(data []byte) (int, error) {
	return rescue.Value(func() (int, error) { return o.Writer.Write(data) })
}

func (keepOpen) Close() error { return nil }

// finish ends the sinks, whatever became of the solve. The reason why one took no more says more than what came of it.
func (s *solve) finish(ctx context.Context, err error) error {
	if s.received != nil {
		s.received.close(func(warning string) {
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

package provider

import (
	"context"
	"errors"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// stageBuilding is the stage of a build. Messages leave it out if there are waits, which say more.
const stageBuilding = "building"

// contextStage returns the stage of an operation that hashes a build context.
func contextStage(plan inputs.Plan) string {
	return "reading the build context " + login.Hide(folderText(plan.Files.Context))
}

// outcome returns what a stopped operation has pushed and which tags moved, as far as that is known. It returns "" for
// an operation without a push.
func (a applyResult) outcome(op operation, err error) string {
	if len(op.tags.list) == 0 {
		return ""
	}
	others := references(op.tags.without(a.tags))
	switch {
	case len(others) == 0:
		return "every tag holds the image"
	case errors.Is(err, fault.ErrUnsure):
		return movedText(a.tags) + "whether these moved is not known: " + strings.Join(others, ", ")
	case len(a.tags) > 0:
		return movedText(a.tags) + "not moved: " + strings.Join(others, ", ")
	case a.digest != "" && op.waits.hasPushed():
		return "the image was pushed and no tag moved"
	case op.waits.hasPushed():
		return "a part of the image may have been pushed, and no tag moved"
	}
	return "nothing was pushed and no tag moved"
}

// movedText returns the text about the tags that hold the image.
func movedText(tags []registry.Tag) string {
	if len(tags) == 0 {
		return ""
	}
	return "moved: " + strings.Join(references(tags), ", ") + "; "
}

// deletedText returns the text about the tags that were deleted.
func deletedText(refs []string) string {
	if len(refs) == 0 {
		return "no tag is known to be deleted"
	}
	return "deleted: " + strings.Join(refs, ", ")
}

// watchExports returns the exports with sinks that record their waits.
func watchExports(w *waits, all []buildkit.Export) []buildkit.Export {
	for i, e := range all {
		if e.Open == nil {
			continue
		}
		doing := "writing the " + e.Type + " export"
		if e.Type == "docker" {
			doing = "giving the image to Docker or to its archive"
		}
		all[i].Open = func(ctx context.Context) (buildkit.Sink, error) {
			defer w.begin(doing)()
			sink, err := e.Open(ctx)
			return watchedSink{sink, w, doing}, err
		}
	}
	return all
}

// watchedSink is a sink that records its waits.
type watchedSink struct {
	buildkit.Sink
	waits *waits
	doing string
}

// Write implements io.Writer.
func (s watchedSink) Write(data []byte) (int, error) {
	defer s.waits.begin(s.doing)()
	return s.Sink.Write(data)
}

// Commit implements buildkit.Sink.
func (s watchedSink) Commit() error {
	defer s.waits.begin(s.doing)()
	return s.Sink.Commit()
}

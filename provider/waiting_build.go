package provider

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/go-units"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// newBuildWait converts a wait of a build.
func newBuildWait(w buildkit.Wait) wait {
	return wait{doing: buildWaitText(w) + progressText(w), since: w.Since}
}

func buildWaitText(w buildkit.Wait) string {
	switch w.Phase {
	case buildkit.ResolvingImage:
		return fmt.Sprintf("asking %s for the base image %s", w.Host, w.What)
	case buildkit.FetchingSource:
		if w.Host == "" {
			return "fetching " + w.What
		}
		return fmt.Sprintf("fetching %s from %s", w.What, w.Host)
	case buildkit.SendingFiles:
		return fmt.Sprintf("sending %s to the builder", folderText(w.What))
	case buildkit.ImportingCache:
		return strings.TrimSpace("importing the cache " + w.What)
	case buildkit.ExportingCache:
		return "exporting the cache to " + w.What
	case buildkit.PushingLayers:
		return "pushing layers to " + w.What
	case buildkit.PushingManifest:
		return "pushing the manifest to " + w.What
	case buildkit.PullingBase:
		return "pulling the base image " + w.What
	case buildkit.CompressingLayers:
		return "compressing layers"
	}
	if w.Phase == buildkit.Exporting && w.What != "" {
		return "exporting files to " + w.What
	}
	if w.Phase == buildkit.Exporting {
		return w.Step.Command
	}
	if w.Step.Position == "" {
		return "running the builder's step " + w.Step.Command
	}
	text := fmt.Sprintf("running step [%s] %s", w.Step.Position, shortLine(w.Step.Command))
	if w.Step.Platform != "" {
		text += " (" + w.Step.Platform + ")"
	}
	return text
}

// folderText returns the path of a folder. It returns the absolute path for ".".
func folderText(folder string) string {
	if abs, err := filepath.Abs(folder); folder == "." && err == nil {
		return abs
	}
	return folder
}

// progressText returns in parentheses how far a build is with a wait, or "" if that is not known.
func progressText(w buildkit.Wait) string {
	text := w.Detail
	named := []buildkit.Phase{buildkit.FetchingSource, buildkit.ExportingCache, buildkit.Exporting}
	switch {
	case w.Phase == buildkit.SendingFiles && w.Bytes > 0:
		return fmt.Sprintf(" (%s arrived)", units.BytesSize(float64(w.Bytes)))
	case !slices.Contains(named, w.Phase):
		text = ""
	case strings.HasPrefix(text, "sha256:"):
		text = "layer " + text
	}
	if w.Bytes > 0 {
		text = strings.TrimSpace(text + " " + units.BytesSize(float64(w.Bytes)))
	}
	if w.Bytes > 0 && w.Total > 0 {
		text += " of " + units.BytesSize(float64(w.Total))
	}
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

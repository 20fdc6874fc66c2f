package buildkit

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/solver/pb"
)

// logNamedContexts logs the named contexts that the frontend may ask for.
func (f frontend) logNamedContexts(ctx context.Context, options map[string]string) {
	for _, option := range slices.Sorted(maps.Keys(options)) {
		if name, ok := strings.CutPrefix(option, "context:"); ok {
			f.log.DebugContext(ctx, "named context", "name", name, "location", options[option])
		}
	}
}

// logSources logs the sources that a definition of the frontend reads.
func (f frontend) logSources(ctx context.Context, def *pb.Definition) {
	if !f.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	for _, data := range def.GetDef() {
		var op pb.Op
		if err := op.UnmarshalVT(data); err != nil {
			continue // it is for the daemon to refuse a malformed definition
		}
		source := op.GetSource()
		if source == nil {
			continue
		}
		pairs := []any{"source", source.Identifier}
		for _, key := range slices.Sorted(maps.Keys(patternAttributes)) {
			if n := listLength(source.Attrs[patternAttributes[key]]); n > 0 {
				pairs = append(pairs, key, n)
			}
		}
		f.log.DebugContext(ctx, "frontend asks for a source", pairs...)
	}
}

// patternAttributes are the attributes of local sources that hold lists of paths or patterns, by the keys of the log.
var patternAttributes = map[string]string{
	"includePatterns": pb.AttrIncludePatterns,
	"excludePatterns": pb.AttrExcludePatterns,
	"followPaths":     pb.AttrFollowPaths,
}

// listLength returns the length of a list in JSON; 0 if text holds none.
func listLength(text string) int {
	var list []json.RawMessage
	_ = json.Unmarshal([]byte(text), &list) // an empty text is no list
	return len(list)
}

// platformText returns the platform that an image is resolved for; "" if the daemon chooses it.
func platformText(opt sourceresolver.Opt) string {
	if opt.ImageOpt == nil || opt.ImageOpt.Platform == nil {
		return ""
	}
	return platforms.FormatAll(*opt.ImageOpt.Platform)
}

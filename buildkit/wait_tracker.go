package buildkit

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// Phase says what a build is at.
type Phase int

// The phases of a build, which may be at several at once.
const (
	RunningStep     Phase = iota // a step of the Dockerfile, or another step of BuildKit's
	ResolvingImage               // a registry is asked what a base image is
	FetchingSource               // a base image, a remote build context, a source of ADD
	SendingFiles                 // files of this machine go to the daemon
	ImportingCache               // a cache is looked up
	ExportingCache               // a cache is written
	PushingLayers                // layers go to a registry
	PushingManifest              // manifests go to a registry
	Exporting                    // the image is written, or the files of an export
)

// Wait is something that a build was waiting for. Its texts have no secrets, and are of foreign origin.
type Wait struct {
	Phase  Phase
	Step   Step   // as the daemon calls it
	What   string // the reference, repository, folder or URL that it is about; "" if that is not known
	Host   string // the server that it waits for; "" if that is not known
	Detail string // what is under way of it, such as a layer's digest; "" if that is not known
	Bytes  int64  // of Detail that are done; 0 if that is not known
	Total  int64  // of Detail; 0 if that is not known
	Since  time.Time
}

// StoppedError says what a build was waiting for when its context ended, or when its daemon did.
type StoppedError struct {
	Waits []Wait // the longest first
	Cause error
}

// Error is the text of the cause.
func (e *StoppedError) Error() string { return e.Cause.Error() }

// Unwrap is the cause.
func (e *StoppedError) Unwrap() error { return e.Cause }

// waitTracker follows what a solve waits for, up to the moment at which it is stopped: what a daemon reports afterwards is
// the end of what was canceled. It belongs to the goroutine that follows the status of the solve.
type waitTracker struct {
	stopped func() bool
	watch   *stallWatch
	caches  []Cache // that are written
	exports []Export
	open    map[digest.Digest]*openVertex
	pushes  bool // whether a push has begun
}

// openVertex is a vertex that has begun and not ended.
type openVertex struct {
	name  string
	step  Step
	since time.Time
	parts []*part
}

// part is something that a vertex is at, by the daemon's name for it.
type part struct {
	id             string
	current, total int64
	repository     string // that is pushed to
	since          time.Time
}

// vertex takes a step that begins or ends.
func (w *waitTracker) vertex(v *client.Vertex, step Step) {
	switch {
	case w == nil || v.Started == nil || w.stopped():
	case v.Completed != nil:
		delete(w.open, v.Digest)
	case w.open[v.Digest] == nil:
		w.open[v.Digest] = &openVertex{name: v.Name, step: step, since: time.Now()}
	}
}

// status takes what a step is at. It returns true for the first sign of a push.
func (w *waitTracker) status(s *client.VertexStatus) (pushes bool) {
	if w == nil || w.stopped() {
		return false
	}
	if strings.HasPrefix(s.ID, "pushing ") && !w.pushes {
		w.pushes, pushes = true, true
	}
	v := w.open[s.Vertex]
	if v == nil {
		return pushes
	}
	i := slices.IndexFunc(v.parts, func(p *part) bool { return p.id == s.ID })
	done := s.Completed != nil || s.Total > 0 && s.Current >= s.Total
	switch {
	case done && i >= 0:
		v.parts = slices.Delete(v.parts, i, i+1)
	case done:
	case i >= 0:
		v.parts[i].current, v.parts[i].total = s.Current, s.Total
	default:
		what, _ := w.watch.describePush(s.ID)
		v.parts = append(v.parts, &part{
			id: s.ID, current: s.Current, total: s.Total, repository: what.repository, since: time.Now(),
		})
	}
	return pushes
}

// waits returns what the solve was waiting for when it was stopped, or now, the longest first.
func (w *waitTracker) waits(hide func(string) string) []Wait {
	if w == nil {
		return nil
	}
	var all []Wait
	for _, v := range w.open {
		wait := w.describe(v)
		wait.Step.Command = login.Hide(hide(wait.Step.Command))
		wait.What, wait.Detail = login.Hide(hide(wait.What)), login.Hide(hide(wait.Detail))
		all = append(all, wait)
	}
	slices.SortFunc(all, func(a, b Wait) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Step.Command, b.Step.Command))
	})
	return all
}

// describe returns what a vertex waits for. The names are those of BuildKit: see describeFetch and about.
func (w *waitTracker) describe(v *openVertex) Wait {
	wait := Wait{Step: v.step, Since: v.since}
	if len(v.parts) > 0 {
		first := v.parts[0]
		wait.Detail, wait.Bytes, wait.Total = strings.TrimSuffix(first.id, ":"), first.current, first.total
	}
	if what, ok := describeResolve(v.name); ok {
		wait.Phase, wait.What, wait.Host = ResolvingImage, what.base, registryName(what.base)
		return wait
	}
	if ref, ok := strings.CutPrefix(v.name, "importing cache manifest from "); ok {
		wait.Phase, wait.What = ImportingCache, ref
		return wait
	}
	if kind, ok := cutCacheExport(v.name); ok {
		wait.Phase, wait.What = ExportingCache, w.cacheOf(kind)
		return wait
	}
	if what, ok := w.watch.describeFetch(v.name); ok {
		wait.Phase, wait.What, wait.Host = FetchingSource, what.fetch.What, what.fetch.Host
		return wait
	}
	if folder, ok := w.folderOf(v.name); ok {
		wait.Phase, wait.What = SendingFiles, folder
		return wait
	}
	if kind, ok := strings.CutPrefix(v.name, "exporting to "); ok {
		return w.describeExport(wait, v, kind)
	}
	return wait
}

// describeExport completes what is known of an exporter of a kind: "image", "oci image format", "client directory".
func (w *waitTracker) describeExport(wait Wait, v *openVertex, kind string) Wait {
	wait.Phase = Exporting
	for _, p := range v.parts {
		if strings.HasPrefix(p.id, "pushing ") {
			wait.Phase, wait.What, wait.Since = PushingLayers, p.repository, p.since
			wait.Host, _, _ = strings.Cut(p.repository, "/")
			if strings.HasPrefix(p.id, "pushing manifest") {
				wait.Phase = PushingManifest
			}
			wait.Detail, wait.Bytes, wait.Total = p.id, p.current, p.total
			return wait
		}
	}
	if kind == "client directory" {
		wait.What = w.foldersOfExports()
	}
	return wait
}

// foldersOfExports returns where files are exported to. A daemon does not say which of several it writes.
func (w *waitTracker) foldersOfExports() string {
	var folders []string
	for _, e := range w.exports {
		if e.Dir != "" {
			folders = append(folders, e.Dir)
		}
	}
	return strings.Join(folders, " or ")
}

// gitHubCache is the kind of a cache whose exporter has another name than the others.
const gitHubCache = "GitHub Actions Cache"

// cutCacheExport returns the kind of the cache that a step writes.
func cutCacheExport(step string) (kind string, ok bool) {
	if step == "exporting to "+gitHubCache {
		return gitHubCache, true
	}
	return strings.CutPrefix(step, "exporting cache to ")
}

// cacheOf returns where a cache of a kind is written to, or the kind where the daemon alone knows.
func (w *waitTracker) cacheOf(kind string) string {
	attrs := map[string]struct{ kind, attr string }{
		"registry": {"registry", "ref"}, "client directory": {"local", "dest"}, "Amazon S3": {"s3", "bucket"},
	}
	var places []string
	for _, c := range w.caches {
		if known, ok := attrs[kind]; ok && c.Type == known.kind && c.Attrs[known.attr] != "" {
			places = append(places, c.Attrs[known.attr])
		}
	}
	return cmp.Or(strings.Join(places, " or "), kind)
}

// folderOf returns the folder or the file of this machine that a step sends.
func (w *waitTracker) folderOf(step string) (folder string, ok bool) {
	if step == "[internal] load build context" {
		return w.watch.files.Context, true
	}
	if file, ok := strings.CutPrefix(step, "[internal] load build definition from "); ok {
		return file, true
	}
	if rest, ok := strings.CutPrefix(step, "[context "); ok && strings.HasSuffix(rest, "] load from client") {
		name, _, _ := strings.Cut(strings.TrimSuffix(rest, "] load from client"), "::")
		return cmp.Or(w.watch.files.Named[name], name), true
	}
	return "", false
}

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

// waitTracker follows what a solve waits for. It ignores what the daemon reports after the solve was stopped, because
// that is the end of canceled work. It belongs to the goroutine that follows the status of the solve.
type waitTracker struct {
	stopped func() bool
	watch   *stallWatch
	caches  []Cache // that the build writes
	exports []Export
	open    map[digest.Digest]*openVertex
	pushes  bool // whether a push has begun
}

// openVertex is a vertex of BuildKit that has begun and not ended.
type openVertex struct {
	name  string
	step  Step
	since time.Time
	parts []*part
}

// part is something that a vertex does, by the daemon's name for it.
type part struct {
	id             string
	current, total int64
	repository     string // of a push
	since          time.Time
}

// vertex takes what the daemon says of a step that begins or ends.
func (w *waitTracker) vertex(v *client.Vertex, step Step) {
	switch {
	case w == nil || v.Started == nil || w.stopped():
	case v.Completed != nil:
		delete(w.open, v.Digest)
	case w.open[v.Digest] == nil:
		w.open[v.Digest] = &openVertex{name: v.Name, step: step, since: time.Now()}
	}
}

// status takes what the daemon says of a part of a step. It returns true for the first part of a push.
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
		v.parts = append(v.parts, &part{
			id: s.ID, current: s.Current, total: s.Total, repository: w.repositoryOf(s), since: time.Now(),
		})
	}
	return pushes
}

// repositoryOf returns the repository that a part of a step pushes to; "" if it pushes nothing.
func (w *waitTracker) repositoryOf(s *client.VertexStatus) string {
	if w == nil {
		return ""
	}
	push, _ := describePush(s.ID, w.watch.repositories, w.watch.pushed)
	return push.repository
}

// waits returns what the solve waited for when it was stopped, or what it waits for now. The longest wait is the first.
// hide takes out the secrets.
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

// describe returns what a vertex waits for. The names are those of BuildKit: see describeFetch and describePush.
func (w *waitTracker) describe(v *openVertex) Wait {
	wait := Wait{Step: v.step, Since: v.since}
	if len(v.parts) > 0 {
		first := v.parts[0]
		wait.Detail, wait.Bytes, wait.Total = strings.TrimSuffix(first.id, ":"), first.current, first.total
	}
	if resolve, ok := describeResolve(v.name); ok {
		wait.Phase, wait.What, wait.Host = ResolvingImage, resolve.base, registryName(resolve.base)
		return wait
	}
	if ref, ok := strings.CutPrefix(v.name, cacheImportPrefix); ok {
		wait.Phase, wait.What = ImportingCache, ref
		return wait
	}
	if kind, ok := cutCacheExport(v.name); ok {
		wait.Phase, wait.What = ExportingCache, w.cacheOf(kind)
		return wait
	}
	if t, ok := describeFetch(v.name, w.watch.files); ok {
		wait.Phase, wait.What, wait.Host = FetchingSource, t.fetch.What, t.fetch.Host
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

// describeExport completes the wait for an exporter of a kind: "image", "oci image format", "client directory".
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

// foldersOfExports returns the folders that files are exported to, joined by "or". A daemon does not say which of them
// it writes.
func (w *waitTracker) foldersOfExports() string {
	var folders []string
	for _, e := range w.exports {
		if e.Dir != "" {
			folders = append(folders, e.Dir)
		}
	}
	return strings.Join(folders, " or ")
}

// gitHubCache is the kind of the one cache whose exporter does not begin with cacheExportPrefix.
const gitHubCache = "GitHub Actions Cache"

// cutCacheExport returns the kind of the cache that a step writes. ok is false for any other step.
func cutCacheExport(step string) (kind string, ok bool) {
	if step == "exporting to "+gitHubCache {
		return gitHubCache, true
	}
	return strings.CutPrefix(step, cacheExportPrefix)
}

// cacheOf returns where the caches of a kind are written to, or the kind itself if only the daemon knows where.
func (w *waitTracker) cacheOf(kind string) string {
	places := map[string]struct{ cacheType, option string }{
		"registry": {"registry", "ref"}, "client directory": {"local", "dest"}, "Amazon S3": {"s3", "bucket"},
	}
	var found []string
	for _, c := range w.caches {
		if place, ok := places[kind]; ok && c.Type == place.cacheType && c.Options[place.option] != "" {
			found = append(found, c.Options[place.option])
		}
	}
	return cmp.Or(strings.Join(found, " or "), kind)
}

// folderOf returns the folder or the file of this machine that a step sends. ok is false for any other step.
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

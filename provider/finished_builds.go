package provider

import "sync"

// finishedBuilds keeps the builders of an image until its caches are written, and the builds that have succeeded on
// them. Several nodes may call the methods at the same time. Those that read, and release, take nil.
type finishedBuilds struct {
	mu     sync.Mutex
	nodes  []node
	builds []*imageBuild
	told   int      // builds whose cache mounts are known
	ids    []string // of these mounts
}

// keep takes over nodes, which release releases. A node may be released before that, too.
func (f *finishedBuilds) keep(nodes []node) {
	for i := range nodes {
		nodes[i].release = sync.OnceFunc(nodes[i].release)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes = append(f.nodes, nodes...)
}

// add records a build that has succeeded.
func (f *finishedBuilds) add(b *imageBuild) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.builds = append(f.builds, b)
}

// withCaches returns the builds that have caches to write.
func (f *finishedBuilds) withCaches() []*imageBuild {
	return f.filter(func(b *imageBuild) bool { return len(externalCaches(b.access.CacheTo)) > 0 })
}

// withMounts returns the builds of the image whose cache mounts travel.
func (f *finishedBuilds) withMounts() []*imageBuild {
	return f.filter(func(b *imageBuild) bool { return b.access.CacheMounts != nil && !b.testsOnly })
}

// addMountIDs records the ids of the cache mounts of a build.
func (f *finishedBuilds) addMountIDs(ids []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told, f.ids = f.told+1, append(f.ids, ids...)
}

// mountIDs returns the ids of the cache mounts of all builds. It returns false if a build lacks them.
func (f *finishedBuilds) mountIDs() ([]string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ids, f.told >= len(f.builds) && len(f.builds) > 0
}

// filter returns the builds of a choice.
func (f *finishedBuilds) filter(chosen func(*imageBuild) bool) (builds []*imageBuild) {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.builds {
		if chosen(b) {
			builds = append(builds, b)
		}
	}
	return builds
}

// release releases the builders.
func (f *finishedBuilds) release() {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	releaseNodes(f.nodes)
	f.nodes = nil
}

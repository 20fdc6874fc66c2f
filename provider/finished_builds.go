package provider

import "sync"

// finishedBuilds keeps the builders of an image until its caches are written, and the builds that have succeeded on
// them. Several nodes may call the methods at the same time. Those that read, and release, take nil.
type finishedBuilds struct {
	mu     sync.Mutex
	nodes  []node
	builds []*imageBuild
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

// withMounts returns the builds whose cache mounts travel.
func (f *finishedBuilds) withMounts() []*imageBuild {
	return f.filter(func(b *imageBuild) bool { return b.access.CacheMounts != nil })
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

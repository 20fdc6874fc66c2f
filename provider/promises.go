package provider

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// promise is what the update of one image will make, as far as its preview knows. In the preview it may not exist yet,
// so another image that needs it cannot be built. The preview must not report that as an error.
type promise struct {
	URN    resource.URN `json:"-"`
	Digest string       // of the image; "" if the preview does not know it
	Refs   []string     // references that will hold the image, each as registry.Tag prints it
	Paths  []string     // absolute paths of the files and folders that the exports will write
	Past   string       // repository@digest of the image in the state; "" without one
	// Platforms are those of the inputs, in canonical form.
	Platforms []string
}

// resourceName returns the name of the resource, for a sentence.
func (p promise) resourceName() string { return printable(p.URN.Name()) }

// promises are the promises of a run, sorted by the URNs of their images.
type promises []promise

// notePromise notes what the update of an image will make.
func (n *notes) notePromise(urn resource.URN, made promise) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.add(note{URN: urn, Promise: &made})
}

// promisesFor returns what the updates of the images other than asker will make. It returns only what was noted since
// the last dropAllPromises.
func (n *notes) promisesFor(asker resource.URN) (all promises) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refresh()
	for _, urn := range n.urns() {
		if urn != asker && n.hasPromise(urn) {
			made := *n.images[urn].Promise
			made.URN = urn
			all = append(all, made)
		}
	}
	return all
}

// dropAllPromises drops the promises of all images. apply and Delete begin with it, because only an update calls them.
//
// Usually there are none by then: a preview and its update are two runs of the engine, and each run has its own notes.
func (n *notes) dropAllPromises() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refresh()
	for urn := range n.images {
		if n.hasPromise(urn) {
			n.add(note{})
			return
		}
	}
}

// hasPromise tells whether the promise of an image counts. The caller holds mu.
func (n *notes) hasPromise(urn resource.URN) bool {
	one := n.images[urn]
	return one.Promise != nil && one.At.After(n.updateBegan)
}

// dropPromise drops the promise of an image whose Diff has found no change.
//
// An earlier preview may have left one: where startTime cannot tell when an engine started, two runs may share their
// notes (engineRun).
func (n *notes) dropPromise(urn resource.URN) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refresh()
	if n.hasPromise(urn) {
		n.add(note{URN: urn, Promise: &promise{}})
	}
}

// byTag returns the promise to push to a reference, which is as registry.Tag prints it.
func (all promises) byTag(ref string) (promise, bool) {
	return all.find(func(p promise) bool { return slices.Contains(p.Refs, ref) })
}

// byDigest returns the promise to push an image with this digest, which is known, to a repository.
func (all promises) byDigest(repository, digest string) (promise, bool) {
	return all.find(func(p promise) bool {
		pushed := slices.ContainsFunc(p.Refs, func(ref string) bool { return inRepository(ref, repository) })
		return pushed && digest != "" && p.Digest == digest
	})
}

// byPath returns the promise to write something at, below or above a path, and the path that it writes.
func (all promises) byPath(path string) (by promise, dest string, ok bool) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return promise{}, "", false
	}
	for _, p := range all {
		for _, dest := range p.Paths {
			if isInFolder(abs, dest) || isInFolder(dest, abs) {
				return p, dest, true
			}
		}
	}
	return promise{}, "", false
}

func (all promises) find(matches func(promise) bool) (promise, bool) {
	i := slices.IndexFunc(all, matches)
	if i < 0 {
		return promise{}, false
	}
	return all[i], true
}

func inRepository(ref, repository string) bool {
	tag, err := registry.ParseTag(ref)
	return err == nil && tag.Repository() == repository
}

// isInFolder tells whether an absolute path is the folder or below it.
func isInFolder(path, folder string) bool {
	inside, err := filepath.Rel(folder, path)
	return err == nil && inside != ".." && !strings.HasPrefix(inside, ".."+string(filepath.Separator))
}

// newPromise returns what the update will make. digest is "" if the preview does not know it.
//
// writes tells whether the update will write the exports. It does not if the image need not be built. If the preview
// has built the image, the files are there already.
func newPromise(op operation, digest string, writes bool) promise {
	made := promise{Digest: digest, Past: text(op.old.outputs, "repoDigest"), Platforms: op.platforms}
	if !isKnown(op.inputs, "push") { // without a push the references keep what they hold now
		made.Digest = ""
	}
	made.Refs = references(op.tags.list)
	for _, form := range op.exports {
		if abs, err := filepath.Abs(form.dest); writes && form.dest != "" && !form.isImage() && err == nil {
			made.Paths = append(made.Paths, abs)
		}
	}
	return made
}

// firstWriting returns the first promise to write a path for which isRead is true, and that path.
func (all promises) firstWriting(isRead func(path string) bool) (by promise, dest string, ok bool) {
	for _, p := range all {
		if i := slices.IndexFunc(p.Paths, isRead); i >= 0 {
			return p, p.Paths[i], true
		}
	}
	return promise{}, "", false
}

// ofBase returns the promise to push a base image. ref is a name that inputs.BaseImages returns.
func (all promises) ofBase(ref string) (promise, bool) {
	if repository, digest, ok := strings.Cut(ref, "@"); ok {
		return all.byDigest(repository, digest)
	}
	return all.byTag(ref)
}

// includesBaseOf tells whether err is that of a build whose base image is promised and does not exist yet. Some builds
// name their base images only while they run, so obstacle cannot know them.
func (all promises) includesBaseOf(err error) bool {
	missing, ok := errors.AsType[*buildkit.BaseImageError](err)
	if !ok || !missing.NotFound() {
		return false
	}
	_, ok = all.ofBase(baseRef(missing.Ref))
	return ok
}

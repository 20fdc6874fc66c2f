package provider

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// promise is what the update of one image will make, as far as its preview knows. In the preview none of it exists, so
// another image that needs it cannot be built yet. That is no mistake.
type promise struct {
	URN    resource.URN `json:"-"`
	Digest string       // of the image; "" if the preview does not know it
	Refs   []string     // references that will hold the image, as registry.Tag prints them
	Paths  []string     // absolute paths of the files and folders that the exports write
}

// imageName returns the name of the image, for a sentence.
func (p promise) imageName() string { return printable(p.URN.Name()) }

// promises are the promises of a run, sorted by the URNs of their images.
type promises []promise

// notePromise notes what the update of an image will make.
func (n *notes) notePromise(urn resource.URN, made promise) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.add(note{URN: urn, Promise: &made})
}

// promises returns what the updates of the other images will make, as far as this preview has noted it. It returns
// nothing in an update.
func (n *notes) promises(to resource.URN) (all promises) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refresh()
	for _, urn := range n.urns() {
		one := n.images[urn]
		if one.Promise != nil && one.At.After(n.updateBegan) && urn != to {
			made := *one.Promise
			made.URN = urn
			all = append(all, made)
		}
	}
	return all
}

// endPreview drops all promises, after a call that only an update makes. Usually the address of the engine already
// tells the preview and the update apart.
func (n *notes) endPreview() {
	if len(n.promises("")) == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.add(note{})
}

// dropPromise drops the promise of an image that does not change.
func (n *notes) dropPromise(urn resource.URN) {
	if slices.ContainsFunc(n.promises(""), func(p promise) bool { return p.URN == urn }) {
		n.notePromise(urn, promise{})
	}
}

// tag returns the promise to push to a canonical reference.
func (all promises) tag(ref string) (promise, bool) {
	return all.find(func(p promise) bool { return slices.Contains(p.Refs, ref) })
}

// image returns the promise to push a digest to a repository.
func (all promises) image(repository, digest string) (promise, bool) {
	return all.find(func(p promise) bool {
		pushed := slices.ContainsFunc(p.Refs, func(ref string) bool { return inRepository(ref, repository) })
		return pushed && p.Digest == digest
	})
}

// writer returns the promise to write something at, below or above a path, and the path that it writes.
func (all promises) writer(path string) (by promise, dest string, ok bool) {
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

// newPromise returns what the update will make. digest is "" if the preview does not know it. writes says that only the
// update writes the exports: an image that need not be built writes none, and a preview that builds has written them.
func newPromise(op operation, digest string, writes bool) promise {
	made := promise{Digest: digest}
	if !isKnown(op.inputs, "push") { // the references may keep what they hold
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

// findRead returns the first promise to write a path for which isRead is true, and that path.
func (all promises) findRead(isRead func(path string) bool) (by promise, dest string, ok bool) {
	for _, p := range all {
		if i := slices.IndexFunc(p.Paths, isRead); i >= 0 {
			return p, p.Paths[i], true
		}
	}
	return promise{}, "", false
}

// base returns the promise to push a base image. ref is a name that inputs.BaseImages returns.
func (all promises) base(ref string) (promise, bool) {
	if repository, digest, ok := strings.Cut(ref, "@"); ok {
		return all.image(repository, digest)
	}
	return all.tag(ref)
}

// explains tells whether a build failed because a promised base image does not exist yet. The base images of some
// builds are not known before they run.
func (all promises) explains(err error) bool {
	missing, ok := errors.AsType[*buildkit.BaseImageError](err)
	if !ok || !missing.NotFound() {
		return false
	}
	named, err := reference.ParseNormalizedNamed(missing.Ref)
	if err != nil {
		return false
	}
	if fixed, ok := named.(reference.Digested); ok {
		_, ok = all.image(named.Name(), fixed.Digest().String())
		return ok
	}
	_, ok = all.tag(reference.TagNameOnly(named).String())
	return ok
}

package provider

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// promise is what the update of one image will make, as its preview knows it. Nothing of it is there in the preview:
// an image that needs it is not built then, and is no mistake.
type promise struct {
	URN    resource.URN `json:"-"`
	Digest string       // of the image; "" if the preview does not know it
	Refs   []string     // that will hold it, as registry.Tag prints them
	Paths  []string     // absolute, of the files and folders that its exports write
}

// imageName is that of the image, for a sentence.
func (p promise) imageName() string { return printable(p.URN.Name()) }

// promises are the promises of a run, sorted by the images that made them.
type promises []promise

// notePromise notes what the update will make of an image.
func (n *notes) notePromise(urn resource.URN, made promise) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.add(note{URN: urn, Promise: &made})
}

// promises returns what the other images of this preview have promised so far. An update has no promises.
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

// endPreview takes back all promises: a call came that only an update makes. In one run there are never both, as far as
// the engine's address tells them apart.
func (n *notes) endPreview() {
	if len(n.promises("")) == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.add(note{})
}

// dropPromise takes back what an image promised: it stays as it is.
func (n *notes) dropPromise(urn resource.URN) {
	if slices.ContainsFunc(n.promises(""), func(p promise) bool { return p.URN == urn }) {
		n.notePromise(urn, promise{})
	}
}

// tag returns the promise about a canonical reference.
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

// writer returns the promise to write something at, below or above a path, and what it writes.
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

func (all promises) find(ok func(promise) bool) (promise, bool) {
	i := slices.IndexFunc(all, ok)
	if i < 0 {
		return promise{}, false
	}
	return all[i], true
}

func inRepository(ref, repository string) bool {
	tag, err := registry.ParseTag(ref)
	return err == nil && tag.Repository() == repository
}

// isInFolder tells whether an absolute path is the folder, or below it.
func isInFolder(path, folder string) bool {
	inside, err := filepath.Rel(folder, path)
	return err == nil && inside != ".." && !strings.HasPrefix(inside, ".."+string(filepath.Separator))
}

// newPromise is what the update will make, of which the preview knows the digest or not. An image that need not be built
// writes no exports.
func (op operation) newPromise(digest string, builds bool) promise {
	made := promise{Digest: digest}
	if !isKnown(op.inputs, "push") { // the references may keep what they hold
		made.Digest = ""
	}
	tags := op.knownTags()
	for _, i := range slices.Sorted(maps.Keys(tags)) {
		made.Refs = append(made.Refs, tags[i].String())
	}
	for _, form := range op.args.enabledExports() {
		if abs, err := filepath.Abs(form.dest); builds && form.dest != "" && !form.isImage() && err == nil {
			made.Paths = append(made.Paths, abs)
		}
	}
	return made
}

// knownTags are the references to push to, by their index in tags, without those that are not known yet.
func (op operation) knownTags() map[int]registry.Tag {
	tags := map[int]registry.Tag{}
	given := op.inputs.Get("tags")
	if !op.pushes() || !given.IsArray() {
		return tags
	}
	hash, hashKnown := inputsHash(op.args), isKnown(op.inputs, imageInputs...)
	for i, value := range given.AsArray().All {
		if !value.IsString() || !hashKnown && hashMarks.MatchString(value.AsString()) {
			continue
		}
		if tag, err := tagFor(value.AsString(), hash); err == nil {
			tags[i] = tag
		}
	}
	return tags
}

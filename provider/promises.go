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

// name is that of the image, for a sentence.
func (p promise) name() string { return printable(p.URN.Name()) }

// promised are the promises of a run, sorted by the images that made them.
type promised []promise

// promise notes what the update will make of an image.
func (n *notes) promise(urn resource.URN, made promise) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.add(note{URN: urn, Promise: &made})
}

// promised returns what the other images of this preview have promised so far. An update has no promises.
func (n *notes) promised(to resource.URN) (all promised) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refresh()
	for _, urn := range n.urns() {
		one := n.images[urn]
		if one.Promise != nil && one.At.After(n.update) && urn != to {
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
	if len(n.promised("")) == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.add(note{})
}

// keepsState takes back what an image promised: it stays as it is.
func (n *notes) keepsState(urn resource.URN) {
	if slices.ContainsFunc(n.promised(""), func(p promise) bool { return p.URN == urn }) {
		n.promise(urn, promise{})
	}
}

// tag returns the promise about a canonical reference.
func (all promised) tag(ref string) (promise, bool) {
	return all.find(func(p promise) bool { return slices.Contains(p.Refs, ref) })
}

// image returns the promise to push a digest to a repository.
func (all promised) image(repository, digest string) (promise, bool) {
	return all.find(func(p promise) bool {
		pushed := slices.ContainsFunc(p.Refs, func(ref string) bool { return inRepository(ref, repository) })
		return pushed && p.Digest == digest
	})
}

// writer returns the promise to write something at, below or above a path, and what it writes.
func (all promised) writer(path string) (by promise, dest string, ok bool) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return promise{}, "", false
	}
	for _, p := range all {
		for _, dest := range p.Paths {
			if isIn(abs, dest) || isIn(dest, abs) {
				return p, dest, true
			}
		}
	}
	return promise{}, "", false
}

func (all promised) find(is func(promise) bool) (promise, bool) {
	i := slices.IndexFunc(all, is)
	if i < 0 {
		return promise{}, false
	}
	return all[i], true
}

func inRepository(ref, repository string) bool {
	tag, err := registry.ParseTag(ref)
	return err == nil && tag.Repository() == repository
}

// isIn tells whether an absolute path is the folder, or below it.
func isIn(path, folder string) bool {
	inside, err := filepath.Rel(folder, path)
	return err == nil && inside != ".." && !strings.HasPrefix(inside, ".."+string(filepath.Separator))
}

// promise is what the update will make, of which the preview knows the digest or not. An image that need not be built
// writes no exports.
func (op operation) promise(digest string, builds bool) promise {
	made := promise{Digest: digest}
	if !isKnown(op.inputs, "push") { // the references may keep what they hold
		made.Digest = ""
	}
	tags := op.knownTags()
	for _, i := range slices.Sorted(maps.Keys(tags)) {
		made.Refs = append(made.Refs, tags[i].String())
	}
	for _, form := range op.args.forms() {
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
	hash, hashKnown := inputsHash(op.args), isKnown(op.inputs, shaping...)
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

package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/distribution/reference"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/canon"
)

// uses are the places that an image writes to. If two images have the same place, the one that is applied last wins.
type uses struct {
	Inputs string   // see identityOf
	Of     []string // see use.key
}

// use is one place that an image writes to, and the input that names it.
type use struct {
	kind useKind
	name string // canonical
	path string // of the input
}

// useKind is the kind of a place, as a message names it.
type useKind string

// The kinds of places.
const (
	useTag   useKind = "tag"
	useFile  useKind = "file of exports"
	useCache useKind = "cache"
)

// key identifies the place to other processes. It is a digest, because names in the program may be secret and the key
// goes to the disk.
func (u use) key() string { return digestOf(string(u.kind), u.name) }

func digestOf(texts ...string) string {
	h := sha256.New()
	for _, text := range texts {
		canon.WriteField(h, []byte(text))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// checkUses notes the places of an image. It reports a tag of two images as a failure, and a file or a cache of two
// images as a warning.
func checkUses(c *checker, notes *notes, op operation) {
	if len(c.failures) > 0 {
		return
	}
	wanted := usesOf(op)
	for _, shared := range notes.noteUses(op.urn, identityOf(op), wanted) {
		if shared.kind == useTag {
			c.fail(shared.path, "%s", shared.text(op.urn))
			continue
		}
		if c.isSecret(shared.path) {
			shared.name = "that is a secret"
		}
		c.warn("%s: %s", shared.path, shared.text(op.urn))
	}
}

// sharedUse is a place of two images.
type sharedUse struct {
	use
	by resource.URN
}

// text returns a message that names both images, always in the same order.
func (s sharedUse) text(urn resource.URN) string {
	both := sortUnique([]string{s.by.Name(), urn.Name()})
	if len(both) == 1 { // the same name below two parents
		both = sortUnique([]string{string(s.by), string(urn)})
	}
	if s.kind == useTag {
		return fmt.Sprintf("%s is a tag of two images of this program, %s and %s, and would stand for the one that is "+
			"pushed last. Give each image a tag of its own", s.name, printable(both[0]), printable(both[1]))
	}
	return fmt.Sprintf("two images of this program, %s and %s, write the %s %s, and the one that is built last "+
		"overwrites it. Give each image one of its own",
		printable(both[0]), printable(both[1]), s.kind, printable(s.name))
}

// identityOf returns a text that differs for images with different inputs, even if their content is not known yet. Two
// images with the same inputs are the same image, and may share their places.
func identityOf(op operation) string {
	if isKnown(op.inputs, "contextHash") {
		return op.hash
	}
	files := op.plan.Files
	return digestOf(op.hash, files.Context, files.Dockerfile, files.DockerfileURL, files.RemoteDockerfile,
		string(files.Inline))
}

// usesOf returns the places that are known so far, in the order of the inputs.
func usesOf(op operation) (all []use) {
	for _, placed := range op.tags.at {
		if pushKnown(op.inputs) { // otherwise there may be no push
			all = append(all, use{useTag, placed.tag.String(), placed.path})
		}
	}
	for i, entry := range op.args.Exports {
		form, err := entry.toExport()
		archive := slices.Contains([]string{"tar", "oci", "docker"}, form.kind) && form.dest != ""
		abs, absErr := filepath.Abs(form.dest)
		if err == nil && absErr == nil && archive && !deref(entry.Disabled) && isKnown(op.inputs, "exports") {
			all = append(all, use{useFile, abs, fmt.Sprintf("exports[%d]", i)})
		}
	}
	for i, entry := range op.args.CacheTo {
		cache, err := entry.cache()
		named, refErr := reference.ParseNormalizedNamed(cache.Options["ref"])
		if err == nil && refErr == nil && cache.Type == "registry" && !deref(entry.Disabled) {
			all = append(all, use{useCache, reference.TagNameOnly(named).String(), fmt.Sprintf("cacheTo[%d]", i)})
		}
	}
	return all
}

package provider

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// hashMark in a tag stands for the first digits of the inputs hash: such a tag names the image of these very inputs,
// whoever built it.
const hashMark = "{hash}"

// hashDigits is how many of them: 48 bits.
const hashDigits = 12

// tagFor reads a tag as it was given, with the mark replaced.
func tagFor(given, inputsHash string) (registry.Tag, error) {
	return registry.ParseTag(resolved(given, inputsHash))
}

// resolved is a tag with the mark replaced, otherwise as it was given.
func resolved(given, inputsHash string) string {
	return strings.ReplaceAll(given, hashMark, inputsHash[:hashDigits])
}

// checkTag is what is wrong with a tag as it is given, nil when nothing is.
func checkTag(given string) error {
	if repository, _, _ := strings.Cut(given, hashMark); strings.Contains(given, hashMark) && !strings.Contains(lastSegment(repository), ":") {
		return fmt.Errorf("tag %q has %s in its repository: it can stand only after the colon, as in ghcr.io/acme/app:%s", given, hashMark, hashMark)
	}
	_, err := tagFor(given, strings.Repeat("0", hashDigits))
	return err
}

func lastSegment(path string) string { return path[strings.LastIndex(path, "/")+1:] }

// isAmong tells whether a tag as it was given is one of these, under whatever hash.
func isAmong(given string, tags []registry.Tag) bool {
	if !strings.Contains(given, hashMark) {
		tag, err := registry.ParseTag(given)
		return err == nil && slices.Contains(tags, tag)
	}
	shortest, err := tagFor(given, strings.Repeat("0", hashDigits))
	if err != nil {
		return false
	}
	_, label, _ := strings.Cut(lastSegment(given), ":")
	pattern := strings.ReplaceAll(regexp.QuoteMeta(label), regexp.QuoteMeta(hashMark), fmt.Sprintf("[0-9a-f]{%d}", hashDigits))
	match := regexp.MustCompile("^" + regexp.QuoteMeta(shortest.Repository()) + ":" + pattern + "$")
	return slices.ContainsFunc(tags, func(t registry.Tag) bool { return match.MatchString(t.String()) })
}

// hashTags are those of the tags that name the image of these very inputs.
func (op operation) hashTags() []registry.Tag {
	if !op.pushes() {
		return nil
	}
	var marked []registry.Tag
	hash := inputsHash(op.args)
	for _, given := range op.args.Tags {
		if tag, err := tagFor(given, hash); err == nil && strings.Contains(given, hashMark) && !slices.Contains(marked, tag) {
			marked = append(marked, tag)
		}
	}
	return marked
}

// tagsKnown tells whether the references are known that the image will get.
func (op operation) tagsKnown() bool {
	if !isKnown(op.inputs, "tags", "push") {
		return false
	}
	marked := slices.ContainsFunc(op.args.Tags, func(given string) bool { return strings.Contains(given, hashMark) })
	return !marked || isKnown(op.inputs, shaping...)
}

var computedHash = regexp.MustCompile("^[0-9a-f]{64}$")

// honest is an error when a tag would say {hash} of files that are not the ones that are built: contextHash was kept by
// ignoreChanges. One that was made up by hand, such as a revision, is as honest as its author.
func (op operation) honest(built string) error {
	wanted := deref(op.args.ContextHash)
	if built == wanted || !computedHash.MatchString(wanted) || len(op.hashTags()) == 0 {
		return nil
	}
	return fmt.Errorf("contextHash is kept as %.12s…, but the files are those of %.12s…: a tag with %s would name another image than it says. "+
		"Take contextHash out of ignoreChanges, or %s out of tags", wanted, built, hashMark, hashMark)
}

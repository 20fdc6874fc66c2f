package provider

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// hashMark in a tag stands for all 64 digits of the inputs hash. Such a tag names the image of exactly these inputs,
// whoever built it, so an image behind it is not built again.
//
// A shorter mark, such as {hash:12}, is for people to read. It never skips a build, because somebody else can make
// inputs with the same few digits and push any image under them.
const hashMark = "{hash}"

// The number of digits of a hash, and the bounds for a short one. In an earlier version {hash} stood for 12 digits.
const (
	hashDigits                 = 64
	shortestHash, longestShort = 8, 40
	formerMark                 = "{hash:12}"
)

// anyHash stands for a hash where only the rest of a tag matters.
var anyHash = strings.Repeat("0", hashDigits)

// hashMarks finds {hash}, and {hash:…} with whatever is written there.
var hashMarks = regexp.MustCompile(`\{hash(:[^{}]*)?\}`)

// digitsOf returns how many digits a mark stands for. ok is false if the number is not allowed.
func digitsOf(mark string) (int, bool) {
	if mark == hashMark {
		return hashDigits, true
	}
	text := strings.TrimSuffix(strings.TrimPrefix(mark, "{hash:"), "}")
	n, err := strconv.Atoi(text)
	return n, err == nil && strconv.Itoa(n) == text && n >= shortestHash && n <= longestShort
}

// tagFor parses a tag with its marks replaced by the hash.
func tagFor(given, inputsHash string) (registry.Tag, error) {
	return registry.ParseTag(expandMarks(given, inputsHash))
}

// expandMarks returns a tag with the marks replaced by the hash, and otherwise as it was given.
func expandMarks(given, inputsHash string) string {
	return hashMarks.ReplaceAllStringFunc(given, func(mark string) string {
		if n, ok := digitsOf(mark); ok {
			return inputsHash[:n]
		}
		return mark
	})
}

// withFormerMark returns a tag with {hash} replaced by the 12 digits for which it stood in an earlier version.
func withFormerMark(given string) string { return strings.ReplaceAll(given, hashMark, formerMark) }

func lastSegment(path string) string { return path[strings.LastIndex(path, "/")+1:] }

// isAmong tells whether a tag of the program is one of these tags, with any hash in place of its marks.
func isAmong(given string, tags []registry.Tag) bool {
	tag, err := registry.ParseTag(hashMarks.ReplaceAllString(given, "0"))
	if err != nil {
		return false
	}
	if !hashMarks.MatchString(given) {
		return slices.Contains(tags, tag)
	}
	_, label, _ := strings.Cut(lastSegment(given), ":")
	match := regexp.MustCompile("^" + regexp.QuoteMeta(tag.Repository()+":") + labelPattern(label) + "$")
	return slices.ContainsFunc(tags, func(t registry.Tag) bool { return match.MatchString(t.String()) })
}

// labelPattern returns a pattern that matches what a label with marks can become.
func labelPattern(label string) string {
	var pattern strings.Builder
	rest := 0
	for _, at := range hashMarks.FindAllStringIndex(label, -1) {
		n, _ := digitsOf(label[at[0]:at[1]]) // Check has refused other text
		fmt.Fprintf(&pattern, "%s[0-9a-f]{%d}", regexp.QuoteMeta(label[rest:at[0]]), n)
		rest = at[1]
	}
	return pattern.String() + regexp.QuoteMeta(label[rest:])
}

// imageTags are the tags of an operation that are known, in the order of the inputs. There are none if nothing is
// pushed.
type imageTags struct {
	at           []placedTag
	list         []registry.Tag // each once
	withHash     []registry.Tag // those with the whole inputs hash, which name the image of these very inputs
	repositories []string       // each once; those of list, or of the names of an image that is pushed by digest only
	complete     bool           // no tag is unknown
}

// placedTag is a tag and the input that gives it.
type placedTag struct {
	tag  registry.Tag
	path string
}

// resolveTags returns the tags of the inputs with their marks replaced by the hash. The error is about the first
// invalid one.
func resolveTags(inputs property.Map, args ImageArgs, hash string) (imageTags, error) {
	hashKnown := isKnown(inputs, imageInputs...)
	tags := imageTags{complete: namesKnown(inputs) && (hashKnown || !namesHash(inputs))}
	if !pushes(inputs) {
		return tags, nil
	}
	byDigest := args.pushesByDigest()
	for _, name := range namesOf(inputs) {
		if !name.value.IsString() || !hashKnown && hashMarks.MatchString(name.value.AsString()) {
			continue
		}
		tag, err := tagFor(name.value.AsString(), hash)
		switch {
		case err != nil && !pushKnown(inputs): // perhaps nothing is pushed
		case err != nil:
			return tags, fmt.Errorf("%s: %w", name.path, err)
		case byDigest && !slices.Contains(tags.repositories, tag.Repository()):
			tags.repositories = append(tags.repositories, tag.Repository())
		case byDigest:
		default:
			tags.add(name.path, tag, strings.Contains(name.value.AsString(), hashMark))
		}
	}
	return tags, nil
}

func (t *imageTags) add(path string, tag registry.Tag, withHash bool) {
	t.at = append(t.at, placedTag{tag, path})
	if !slices.Contains(t.list, tag) {
		t.list = append(t.list, tag)
	}
	if withHash && !slices.Contains(t.withHash, tag) {
		t.withHash = append(t.withHash, tag)
	}
	t.repositories = repositories(t.list)
}

// repositoriesWith returns the repositories that hold the image once some of the tags do. For an image that is pushed
// by digest only, it returns all repositories.
func (t imageTags) repositoriesWith(some []registry.Tag) []string {
	if len(t.list) == 0 {
		return t.repositories
	}
	return repositories(some)
}

// in returns the tags in one repository.
func (t imageTags) in(repository string) []registry.Tag {
	return slices.DeleteFunc(slices.Clone(t.list), func(tag registry.Tag) bool {
		return tag.Repository() != repository
	})
}

// among returns those of some tags that are of the inputs, in their order.
func (t imageTags) among(some []registry.Tag) []registry.Tag {
	return slices.DeleteFunc(slices.Clone(t.list), func(tag registry.Tag) bool { return !slices.Contains(some, tag) })
}

// without returns the tags of the inputs but for some.
func (t imageTags) without(some []registry.Tag) []registry.Tag {
	return slices.DeleteFunc(slices.Clone(t.list), func(tag registry.Tag) bool { return slices.Contains(some, tag) })
}

// repositories returns the repositories of tags, each once, in their order.
func repositories(tags []registry.Tag) []string {
	var names []string
	for _, t := range tags {
		if !slices.Contains(names, t.Repository()) {
			names = append(names, t.Repository())
		}
	}
	return names
}

// references returns the tags as text.
func references(tags []registry.Tag) []string {
	refs := make([]string, len(tags))
	for i, t := range tags {
		refs[i] = t.String()
	}
	return refs
}

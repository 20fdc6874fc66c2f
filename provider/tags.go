package provider

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// hashMark in a tag stands for the inputs hash, all 64 digits of it: such a tag names the image of these very inputs,
// whoever built it, and is a reason not to build.
//
// A shorter one, as in {hash:12}, is for people to read and a tag like any other. Somebody else can make inputs of his own
// with the same few digits, and push what he likes under them.
const hashMark = "{hash}"

// How many digits a hash has, and how many a short one may have. An earlier version took {hash} for the short one of 12.
const (
	hashDigits                 = 64
	shortestHash, longestShort = 8, 40
	formerMark                 = "{hash:12}"
)

// anyHash stands for a hash where only the rest of a tag matters.
var anyHash = strings.Repeat("0", hashDigits)

// hashMarks finds {hash}, and {hash:…} with whatever is written there.
var hashMarks = regexp.MustCompile(`\{hash(:[^{}]*)?\}`)

// digitsOf returns how many digits a mark stands for, and false for a number that it cannot have.
func digitsOf(mark string) (int, bool) {
	if mark == hashMark {
		return hashDigits, true
	}
	text := strings.TrimSuffix(strings.TrimPrefix(mark, "{hash:"), "}")
	n, err := strconv.Atoi(text)
	return n, err == nil && strconv.Itoa(n) == text && n >= shortestHash && n <= longestShort
}

// tagFor reads a tag as it was given, with the marks replaced.
func tagFor(given, inputsHash string) (registry.Tag, error) {
	return registry.ParseTag(resolved(given, inputsHash))
}

// resolved is a tag with the marks replaced, otherwise as it was given.
func resolved(given, inputsHash string) string {
	return hashMarks.ReplaceAllStringFunc(given, func(mark string) string {
		if n, ok := digitsOf(mark); ok {
			return inputsHash[:n]
		}
		return mark
	})
}

// checkTag returns what is wrong with a tag as it is given, nil when nothing is.
func checkTag(given string) error {
	marks := hashMarks.FindAllString(given, -1)
	for _, mark := range marks {
		if _, ok := digitsOf(mark); !ok {
			return fmt.Errorf("tag %q: %s is no hash. Write %s for all %d digits, or a short one for people to read, such as %s, with %d to %d digits",
				given, mark, hashMark, hashDigits, formerMark, shortestHash, longestShort)
		}
	}
	if len(marks) > 0 && !strings.Contains(afterHost(given[:strings.Index(given, marks[0])]), ":") {
		return fmt.Errorf("tag %q has %s in its repository: it can stand only after the colon, as in ghcr.io/acme/app:%s",
			given, marks[0], marks[0])
	}
	_, err := tagFor(given, anyHash)
	if err == nil || !strings.Contains(given, hashMark) {
		return withMarks(err, marks)
	}
	if _, short := tagFor(shortened(given), anyHash); short == nil {
		return fmt.Errorf("tag %q is too long: %s stands for %d digits, and a tag has at most 128 characters. "+
			"Shorten its text, or write %s for a short hash, which no build is skipped for", given, hashMark, hashDigits, formerMark)
	}
	return withMarks(err, marks)
}

// withMarks returns the error about a tag with the marks again where zeros stood for them: in the tag, and in the one
// that is proposed instead.
func withMarks(err error, marks []string) error {
	wrong, ok := errors.AsType[*registry.TagError](err)
	if !ok {
		return err
	}
	problem := *wrong.Problem
	problem.Proposal = restoreMarks(problem.Proposal, marks)
	return &registry.TagError{Tag: restoreMarks(wrong.Tag, marks), Problem: &problem}
}

// restoreMarks returns a tag with the marks in place of the zeros that stood for them, the longest first.
func restoreMarks(tag string, marks []string) string {
	for _, mark := range slices.SortedFunc(slices.Values(marks), func(a, b string) int { return digitsFor(b) - digitsFor(a) }) {
		tag = strings.ReplaceAll(tag, strings.Repeat("0", digitsFor(mark)), mark)
	}
	return tag
}

func digitsFor(mark string) int {
	n, _ := digitsOf(mark) // checkTag has refused what is no number
	return n
}

// afterHost returns what stands behind the host of a reference, or all of it when it has none.
func afterHost(ref string) string {
	if _, rest, found := strings.Cut(ref, "/"); found {
		return rest
	}
	return ref
}

// shortened is a tag with {hash} standing for as many digits as an earlier version took for it.
func shortened(given string) string { return strings.ReplaceAll(given, hashMark, formerMark) }

func lastSegment(path string) string { return path[strings.LastIndex(path, "/")+1:] }

// isAmong tells whether a tag as it was given is one of these, under whatever hash.
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

// labelPattern matches what a label with marks may become.
func labelPattern(label string) string {
	var pattern strings.Builder
	rest := 0
	for _, at := range hashMarks.FindAllStringIndex(label, -1) {
		n, _ := digitsOf(label[at[0]:at[1]]) // Check has refused what is no number
		fmt.Fprintf(&pattern, "%s[0-9a-f]{%d}", regexp.QuoteMeta(label[rest:at[0]]), n)
		rest = at[1]
	}
	return pattern.String() + regexp.QuoteMeta(label[rest:])
}

// imageTags are the tags of an operation that are known, in the order of the inputs. There are none if nothing is
// pushed.
type imageTags struct {
	at           map[int]registry.Tag // by index of the input
	list         []registry.Tag       // each once
	withHash     []registry.Tag       // those with the whole inputs hash, which name the image of these very inputs
	repositories []string             // each once
	complete     bool                 // no tag is unknown
}

// resolveTags returns the tags of the inputs with their marks replaced by the hash. The error is about the first invalid
// one.
func resolveTags(inputs property.Map, args ImageArgs, hash string) (imageTags, error) {
	hashKnown := isKnown(inputs, imageInputs...)
	tags := imageTags{
		at:       map[int]registry.Tag{},
		complete: isKnown(inputs, "tags", "push") && (hashKnown || !args.namesHash()),
	}
	given := inputs.Get("tags")
	if !pushes(inputs) || !given.IsArray() {
		return tags, nil
	}
	for i, value := range given.AsArray().All {
		if !value.IsString() || !hashKnown && hashMarks.MatchString(value.AsString()) {
			continue
		}
		tag, err := tagFor(value.AsString(), hash)
		if err != nil {
			return tags, fmt.Errorf("tags[%d]: %w", i, err)
		}
		tags.add(i, tag, strings.Contains(value.AsString(), hashMark))
	}
	return tags, nil
}

func (t *imageTags) add(index int, tag registry.Tag, withHash bool) {
	t.at[index] = tag
	if !slices.Contains(t.list, tag) {
		t.list = append(t.list, tag)
	}
	if withHash && !slices.Contains(t.withHash, tag) {
		t.withHash = append(t.withHash, tag)
	}
	t.repositories = repositories(t.list)
}

// in returns the tags in one repository.
func (t imageTags) in(repository string) []registry.Tag {
	return slices.DeleteFunc(slices.Clone(t.list), func(tag registry.Tag) bool { return tag.Repository() != repository })
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

// namesHash tells whether a tag says something of the inputs hash, all of it or the beginning.
func (a ImageArgs) namesHash() bool { return slices.ContainsFunc(a.Tags, hashMarks.MatchString) }

var computedHash = regexp.MustCompile("^[0-9a-f]{64}$")

// checkPinnedHashTag returns an error if ignoreChanges keeps a contextHash that differs from the files being built while
// a tag contains {hash}. A contextHash that the user made up, such as a revision, is trusted.
func (op operation) checkPinnedHashTag(built string) error {
	wanted := deref(op.args.ContextHash)
	named := pushes(op.inputs) && op.args.namesHash()
	if built == wanted || !computedHash.MatchString(wanted) || !named {
		return nil
	}
	return fmt.Errorf("contextHash is kept as %.12s…, but the files are those of %.12s…: a tag with %s would name "+
		"another image than it says. Take contextHash out of ignoreChanges, or %s out of tags",
		wanted, built, hashMark, hashMark)
}

package provider

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// checkTags checks the names of the image: its tags or, without any, those in exports. Names that nothing is pushed to
// need only be names for whatever takes the image.
func checkTags(c *checker) {
	check := checkLocalName
	if pushes(c.raw) {
		check = checkTag
	}
	for _, name := range namesOf(c.raw) {
		switch {
		case !name.value.IsString():
		case c.isSecret(name.path) && strings.HasPrefix(name.path, "exports"): // checkPublicInputs reports it
		case c.isSecret(name.path):
			c.failWithoutValue(name.path, inputNamed("tags").public)
		case !pushKnown(c.raw): // which kind of name it has to be is not known
		default:
			if err := check(name.value.AsString()); err != nil {
				c.fail(name.path, "%v", err)
			}
		}
	}
}

// checkLocalName returns an error that says what is wrong with the name of an image that is not pushed, or nil. Docker
// takes a name without a host, and one whose host is in capitals.
func checkLocalName(given string) error {
	if err := checkMarks(given); err != nil {
		return err
	}
	if _, err := reference.ParseNormalizedNamed(expandMarks(given, anyHash)); err != nil {
		return fmt.Errorf("tag %q is not the name of an image: %w", given, err)
	}
	return nil
}

// checkTag returns an error that says what is wrong with a tag of the program, or nil.
func checkTag(given string) error {
	if err := checkMarks(given); err != nil {
		return err
	}
	marks := hashMarks.FindAllString(given, -1)
	_, err := tagFor(given, anyHash)
	if err == nil || !strings.Contains(given, hashMark) {
		return withMarks(err, marks)
	}
	if _, short := tagFor(withFormerMark(given), anyHash); short == nil {
		return fmt.Errorf("tag %q is too long: %s stands for %d digits, and a tag has at most 128 characters. "+
			"Shorten its text, or write %s for a short hash, which no build is skipped for",
			given, hashMark, hashDigits, formerMark)
	}
	return withMarks(err, marks)
}

// checkMarks returns an error that says what is wrong with the marks for the hash in a tag, or nil.
func checkMarks(given string) error {
	marks := hashMarks.FindAllString(given, -1)
	for _, mark := range marks {
		if _, ok := digitsOf(mark); !ok {
			return fmt.Errorf("tag %q: %s is not a hash. Write %s for all %d digits, or a short one for "+
				"people to read, such as %s, with %d to %d digits",
				given, mark, hashMark, hashDigits, formerMark, shortestHash, longestShort)
		}
	}
	if len(marks) > 0 && !strings.Contains(afterHost(given[:strings.Index(given, marks[0])]), ":") {
		return fmt.Errorf("tag %q has %s in its repository: it can stand only after the colon, as in "+
			"ghcr.io/acme/app:%s", given, marks[0], marks[0])
	}
	return nil
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
	longestFirst := func(a, b string) int { return digitsFor(b) - digitsFor(a) }
	for _, mark := range slices.SortedFunc(slices.Values(marks), longestFirst) {
		tag = strings.ReplaceAll(tag, strings.Repeat("0", digitsFor(mark)), mark)
	}
	return tag
}

func digitsFor(mark string) int {
	n, _ := digitsOf(mark) // checkTag has refused other text
	return n
}

// afterHost returns what stands behind the host of a reference, or all of it when it has none.
func afterHost(ref string) string {
	if _, rest, found := strings.Cut(ref, "/"); found {
		return rest
	}
	return ref
}

package registry

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// tagChecks returns the checks of a tag, in the order in which ParseTag runs them. Each returns what is wrong with a
// tag, or nil.
func tagChecks() []func(s string) *fault.Error {
	return []func(string) *fault.Error{
		checkEmpty, checkSpaces, checkInvisible, checkLogin, checkScheme, checkDigest, checkSlash, checkCapitals,
		checkPath, checkEmptyLabel, checkLabelLength, checkLabel, checkBare,
	}
}

// checkEmpty refuses an empty tag.
func checkEmpty(s string) *fault.Error {
	if s != "" {
		return nil
	}
	return fault.New(fault.TagText, "is empty")
}

// checkSpaces refuses white space.
func checkSpaces(s string) *fault.Error {
	if !strings.ContainsAny(s, " \t\r\n\v\f") {
		return nil
	}
	return newRepairable(s, "contains white space")
}

// checkInvisible refuses characters that cannot be seen.
func checkInvisible(s string) *fault.Error {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return nil
	}
	return fault.New(fault.TagInvisible, "contains a character that cannot be seen")
}

// newRepairable returns an error about a tag, with the repaired tag as the proposal.
func newRepairable(s, text string) *fault.Error {
	e := fault.New(fault.TagText, text)
	e.Proposal = repairTag(s)
	return e
}

// repairTag returns a tag without anything that ParseTag refuses. It returns "" when it cannot repair the tag.
func repairTag(s string) string {
	s = strings.Join(strings.Fields(s), "")
	if _, rest, found := strings.Cut(s, "://"); found {
		s = rest
	}
	s = digestPattern.ReplaceAllString(withoutLogin(s), "")
	base, _ := splitLabel(s)
	if at := labelStart(s); at > 0 {
		base = s[:at]
	}
	if label, found := strings.CutPrefix(s[len(base):], ":"); found {
		s = repairBase(base) + ":" + labelOrLatest(repairLabel(label))
	} else {
		s = repairBase(base)
	}
	if _, err := ParseTag(s); err != nil {
		return ""
	}
	return s
}

// repairLabel returns a label with - for each character that cannot stand there.
func repairLabel(label string) string {
	return strings.TrimLeft(notInLabel.ReplaceAllString(label, "-"), ".-")
}

// repairBase returns host and path in small letters, with - for each character that cannot stand in a path.
func repairBase(base string) string {
	host, path, found := strings.Cut(base, "/")
	if !found {
		host, path = "", base
	}
	path = notInPath.ReplaceAllString(strings.ToLower(path), "-")
	if !found {
		return path
	}
	return strings.ToLower(host) + "/" + path
}

// checkLogin refuses a user name or a password before the host. It runs before all checks that repeat the tag: what
// stands before the @ of a host may be a password.
func checkLogin(s string) *fault.Error {
	if withoutLogin(s) == s {
		return nil
	}
	return fault.New(fault.TagLogin, "had a user name or password before it")
}

// checkScheme refuses a scheme such as https://.
func checkScheme(s string) *fault.Error {
	if !strings.Contains(s, "://") {
		return nil
	}
	return newRepairable(s, "begins with a scheme")
}

// checkDigest refuses a digest, which is known only after the build.
func checkDigest(s string) *fault.Error {
	if !strings.Contains(s, "@") || strayAt.MatchString(s) {
		return nil
	}
	return newRepairable(s, "contains a digest, which is known only after the build")
}

// checkSlash refuses a slash or a colon in what is meant as the tag, such as the name of a branch.
func checkSlash(s string) *fault.Error {
	at := labelStart(s)
	if at < 0 {
		return nil
	}
	return newRepairable(s, "has "+quoteMatches(notInLabel, s[at+1:])+" after the colon"+allowedInLabel)
}

// labelStart returns the position of a tag's colon that has a slash or another colon behind it. The colons of a scheme
// and of a port do not count. It returns -1 where there is no such colon.
func labelStart(s string) int {
	start := len(hostBefore.FindString(s))
	colon := strings.IndexByte(s[start:], ':')
	if colon < 0 || !strings.ContainsAny(s[start+colon+1:], "/:") || strings.Contains(s, "://") {
		return -1
	}
	return start + colon
}

// checkBare refuses what docker silently sends to docker.io/library, where only Docker's own images are.
func checkBare(s string) *fault.Error {
	base, label := splitLabel(s)
	host, path := splitHost(base)
	if host != fault.DockerHub || path == "" || strings.Contains(path, "/") {
		return nil
	}
	name := path + ":" + labelOrLatest(label)
	e := fault.New(fault.TagBare, "would go to docker.io/library/"+path)
	e.Proposal = name
	return e
}

// checkCapitals refuses capitals in the repository.
func checkCapitals(s string) *fault.Error {
	base, _ := splitLabel(s)
	_, path := splitHost(base)
	if path == strings.ToLower(path) {
		return nil
	}
	return newRepairable(s, "has capitals in its repository")
}

// checkEmptyLabel refuses a colon without a label.
func checkEmptyLabel(s string) *fault.Error {
	if !strings.HasSuffix(s, ":") {
		return nil
	}
	return newRepairable(s, "has nothing after the colon")
}

// checkLabelLength refuses a label that is too long.
func checkLabelLength(s string) *fault.Error {
	_, label := splitLabel(s)
	if len(label) <= maxLabel {
		return nil
	}
	return fault.New(fault.TagLong, fmt.Sprintf("has %d characters after the colon", len(label)))
}

// checkPath refuses characters that no repository has, and names them.
func checkPath(s string) *fault.Error {
	base, _ := splitLabel(s)
	_, path := splitHost(base)
	odd := quoteMatches(notInPath, path)
	if odd == "" {
		return nil
	}
	return newRepairable(s, "has "+odd+" in its repository, where only small letters, digits, . _ - and / may stand")
}

// checkLabel refuses characters that no tag has after the colon, and names them.
func checkLabel(s string) *fault.Error {
	_, label := splitLabel(s)
	if label == "" || labelPattern.MatchString(label) {
		return nil
	}
	if odd := quoteMatches(notInLabel, label); odd != "" {
		return newRepairable(s, "has "+odd+" after the colon"+allowedInLabel)
	}
	text := fmt.Sprintf("begins with %q after the colon, where a letter, a digit or _ must stand", label[:1])
	return newRepairable(s, text)
}

// quoteMatches returns what matches in s, each once and in quotes.
func quoteMatches(pattern *regexp.Regexp, s string) string {
	var quoted []string
	for _, found := range pattern.FindAllString(s, -1) {
		if text := fmt.Sprintf("%q", found); !slices.Contains(quoted, text) {
			quoted = append(quoted, text)
		}
	}
	return strings.Join(quoted, " and ")
}

const (
	maxLabel       = 128
	allowedInLabel = ", where only letters, digits, _ . and - may stand"
)

var (
	labelPattern  = regexp.MustCompile(`^\w[\w.-]*$`)
	notInLabel    = regexp.MustCompile(`[^\w.-]`)
	notInPath     = regexp.MustCompile(`[^a-z0-9._/-]`)
	digestPattern = regexp.MustCompile(`@sha\d+:[^@/]*$`)
	// hostBefore matches a host, with its port if it has one, and the slash behind it.
	hostBefore = regexp.MustCompile(`^(?:[^:/]+|\[[0-9a-fA-F:.]+\])(?::\d+)?/`)
	// strayAt matches an @ behind the colon of a tag. What stands before the @ of a host may be a password.
	strayAt = regexp.MustCompile(`^[\w.-]+(?::\d+)?/[^:@]+:[^@:]*@[^@:/]*$`)
)

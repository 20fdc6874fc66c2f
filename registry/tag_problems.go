package registry

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// tagProblems are asked in this order. Each answers with what is wrong and the cure, or with nothing.
func tagProblems() []func(s string) string {
	return []func(string) string{
		emptyTag, spacedTag, controlTag, loginTag, schemeTag, digestTag, slashTag, capitalTag, oddPath, emptyLabel, longLabel,
		oddLabel, bareTag,
	}
}

func emptyTag(s string) string {
	if s != "" {
		return ""
	}
	return "is empty; write host/path:tag, such as ghcr.io/acme/app:1"
}

func spacedTag(s string) string {
	if !strings.ContainsAny(s, " \t\r\n\v\f") {
		return ""
	}
	return "contains white space" + repaired(s)
}

func controlTag(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return ""
	}
	return "contains a character that cannot be seen; remove it"
}

// repaired is the cure of a tag with all that is wrong with it put right, so that what it proposes is not refused next.
func repaired(s string) string {
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
		s = repairedBase(base) + ":" + orLatest(repairedLabel(label))
	} else {
		s = repairedBase(base)
	}
	if _, err := ParseTag(s); err != nil {
		return "; write host/path:tag, such as ghcr.io/acme/app:1"
	}
	return "; write " + s
}

// repairedLabel returns a label with - for each character that cannot stand there.
func repairedLabel(label string) string {
	return strings.TrimLeft(notInLabel.ReplaceAllString(label, "-"), ".-")
}

// repairedBase returns host and path in small letters, with - for each character that cannot stand in a path.
func repairedBase(base string) string {
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

// loginTag comes before all that repeat the tag: what stands before the @ of a host may be a password.
func loginTag(s string) string {
	if withoutLogin(s) == s {
		return ""
	}
	return "had a user name or password before it; remove it and log in with docker login or set registries"
}

func schemeTag(s string) string {
	if !strings.Contains(s, "://") {
		return ""
	}
	return "begins with a scheme" + repaired(s)
}

func digestTag(s string) string {
	if !strings.Contains(s, "@") || strayAt.MatchString(s) {
		return ""
	}
	return "contains a digest, which is known only after the build" + repaired(s)
}

// slashTag refuses a slash or a colon in what is meant as the tag, such as the name of a branch.
func slashTag(s string) string {
	at := labelStart(s)
	if at < 0 {
		return ""
	}
	return "has " + quotedOf(notInLabel, s[at+1:]) + " after the colon" + allowedInLabel + repaired(s)
}

// labelStart returns where the colon of a tag stands that has a slash or another colon behind it, which is neither a
// scheme's nor a port's; -1 where there is none.
func labelStart(s string) int {
	start := len(hostBefore.FindString(s))
	colon := strings.IndexByte(s[start:], ':')
	if colon < 0 || !strings.ContainsAny(s[start+colon+1:], "/:") || strings.Contains(s, "://") {
		return -1
	}
	return start + colon
}

// bareTag refuses what docker silently sends to docker.io/library, where only Docker's own images are. It comes last: it
// repeats path and label.
func bareTag(s string) string {
	base, label := splitLabel(s)
	host, path := splitHost(base)
	if host != dockerHub || path == "" || strings.Contains(path, "/") {
		return ""
	}
	name := path + ":" + orLatest(label)
	return fmt.Sprintf("would go to docker.io/library/%s; write user/%s for your own Docker Hub repository, "+
		"registry.example.com/%s for your registry, or docker.io/library/%s if you mean it", path, name, name, name)
}

func capitalTag(s string) string {
	base, _ := splitLabel(s)
	_, path := splitHost(base)
	if path == strings.ToLower(path) {
		return ""
	}
	return "has capitals in its repository" + repaired(s)
}

func emptyLabel(s string) string {
	if !strings.HasSuffix(s, ":") {
		return ""
	}
	return "has nothing after the colon" + repaired(s)
}

func longLabel(s string) string {
	_, label := splitLabel(s)
	if len(label) <= maxLabel {
		return ""
	}
	return fmt.Sprintf("has %d characters after the colon; shorten them to %d", len(label), maxLabel)
}

// oddPath names the characters that no repository has.
func oddPath(s string) string {
	base, _ := splitLabel(s)
	_, path := splitHost(base)
	odd := quotedOf(notInPath, path)
	if odd == "" {
		return ""
	}
	return "has " + odd + " in its repository, where only small letters, digits, . _ - and / may stand" + repaired(s)
}

// oddLabel names the characters after the colon that no tag has.
func oddLabel(s string) string {
	_, label := splitLabel(s)
	if label == "" || labelPattern.MatchString(label) {
		return ""
	}
	if odd := quotedOf(notInLabel, label); odd != "" {
		return "has " + odd + " after the colon" + allowedInLabel + repaired(s)
	}
	return fmt.Sprintf("begins with %q after the colon, where a letter, a digit or _ must stand", label[:1]) + repaired(s)
}

// quotedOf returns what matches in s, each once and in quotes.
func quotedOf(pattern *regexp.Regexp, s string) string {
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

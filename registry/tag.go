package registry

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/distribution/reference"
)

// Tag is a full reference host/path:tag. It is comparable; the zero Tag names nothing.
type Tag struct{ host, path, label string }

// ParseTag reads a tag as docker and BuildKit do: without a host it is Docker Hub's, without ":tag" it is ":latest". It refuses what
// would be pushed elsewhere than its author expects. Each error quotes s, says what is wrong and what to write instead.
func ParseTag(s string) (Tag, error) {
	for _, problem := range tagProblems() {
		if cure := problem(s); cure != "" {
			return Tag{}, fmt.Errorf("tag %q %s", withoutLogin(s), cure)
		}
	}
	base, label := splitLabel(s)
	host, path := splitHost(base)
	named, err := reference.ParseNormalizedNamed(strings.ToLower(host) + "/" + path)
	if err != nil {
		return Tag{}, fmt.Errorf("tag %q is not a reference: %s; write host/path:tag, the path in lower-case letters and digits "+
			"with single . _ - between them", s, reason(err))
	}
	return Tag{reference.Domain(named), reference.Path(named), orLatest(label)}, nil
}

// Repository is the canonical host/path, the name under which BuildKit's exporter pushes.
func (t Tag) Repository() string { return t.host + "/" + t.path }

// Host is the registry, with its port if it has one. Docker Hub is docker.io.
func (t Tag) Host() string { return t.host }

// String is the canonical host/path:tag, as docker and BuildKit print it.
func (t Tag) String() string { return t.Repository() + ":" + t.label }

// tagProblems are asked in this order. Each answers with what is wrong and the cure, or with nothing.
func tagProblems() []func(s string) string {
	return []func(string) string{emptyTag, spacedTag, controlTag, loginTag, schemeTag, digestTag, bareTag, capitalTag, emptyLabel, longLabel, oddLabel}
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
	s, _, _ = strings.Cut(withoutLogin(s), "@")
	if strings.HasSuffix(s, ":") {
		s += "latest"
	}
	base, _ := splitLabel(s)
	s = strings.ToLower(base) + strings.TrimPrefix(s, base)
	if _, err := ParseTag(s); err != nil {
		return "; write host/path:tag, such as ghcr.io/acme/app:1"
	}
	return "; write " + s
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
	if !strings.Contains(s, "@") {
		return ""
	}
	return "contains a digest, which is known only after the build" + repaired(s)
}

// bareTag refuses what docker silently sends to docker.io/library, where only Docker's own images are.
func bareTag(s string) string {
	base, label := splitLabel(s)
	host, path := splitHost(base)
	if host != dockerHub || path == "" || strings.Contains(path, "/") {
		return ""
	}
	name := path + ":" + orLatest(label)
	return fmt.Sprintf("would go to docker.io/library/%s; write user/%s for your own Docker Hub repository, registry.example.com/%s "+
		"for your registry, or docker.io/library/%s if you mean it", path, name, name, name)
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

func oddLabel(s string) string {
	_, label := splitLabel(s)
	if label == "" || labelPattern.MatchString(label) {
		return ""
	}
	return "has other characters after the colon than letters, digits, _ . and -, or begins with . or -; replace them"
}

const maxLabel = 128

var (
	labelPattern  = regexp.MustCompile(`^\w[\w.-]*$`)
	digestPattern = regexp.MustCompile(`@sha\d+:[^@/]*$`)
)

// splitLabel cuts at the colon of the tag, which unlike the colon of a port has no slash behind it.
func splitLabel(s string) (base, label string) {
	colon := strings.LastIndexByte(s, ':')
	if colon <= strings.LastIndexByte(s, '/') {
		return s, ""
	}
	return s[:colon], s[colon+1:]
}

// splitHost knows a host as docker does: the part before the first slash, if it has a dot or a colon or is localhost.
func splitHost(base string) (host, path string) {
	first, rest, found := strings.Cut(base, "/")
	if !found || !strings.ContainsAny(first, ".:") && first != "localhost" {
		return dockerHub, base
	}
	return canonicalHost(first), rest
}

// withoutLogin removes user:password@ before a host; the @ of a digest stays.
func withoutLogin(s string) string {
	end := len(s)
	if at := digestPattern.FindStringIndex(s); at != nil {
		end = at[0]
	}
	return s[strings.LastIndexByte(s[:end], '@')+1:]
}

func orLatest(label string) string {
	if label == "" {
		return "latest"
	}
	return label
}

// reason keeps the part of the library's error that says more than "invalid reference format".
func reason(err error) string {
	return strings.TrimPrefix(err.Error(), "invalid reference format: ")
}

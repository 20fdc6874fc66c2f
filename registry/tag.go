package registry

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// Tag is a full reference host/path:tag. It is comparable; the zero Tag names nothing.
type Tag struct{ host, path, label string }

// ParseTag reads a tag as docker and BuildKit do: without a host it is Docker Hub's, without ":tag" it is ":latest". It
// returns a *TagError for a tag that would go elsewhere than its author expects.
func ParseTag(s string) (Tag, error) {
	for _, problem := range tagChecks() {
		if found := problem(s); found != nil {
			return Tag{}, &TagError{Tag: withoutLogin(s), Problem: found}
		}
	}
	base, label := splitLabel(s)
	host, path := splitHost(base)
	named, err := reference.ParseNormalizedNamed(strings.ToLower(host) + "/" + path)
	if err != nil {
		return Tag{}, &TagError{Tag: s, Problem: fault.New(fault.TagPath, "is not a reference: "+reason(err))}
	}
	return Tag{host: reference.Domain(named), path: reference.Path(named), label: labelOrLatest(label)}, nil
}

// TagError says what is wrong with the text of a tag.
type TagError struct {
	Tag     string       // as it was given, but for a login
	Problem *fault.Error // its text needs the tag before it
}

// Error quotes the tag and says what is wrong.
func (e *TagError) Error() string { return fmt.Sprintf("tag %q %s", e.Tag, e.Problem) }

// Unwrap returns the problem.
func (e *TagError) Unwrap() error { return e.Problem }

// Repository returns the canonical host/path, the name under which BuildKit's exporter pushes.
func (t Tag) Repository() string { return t.host + "/" + t.path }

// Host returns the registry, with its port if it has one. Docker Hub is docker.io.
func (t Tag) Host() string { return t.host }

// String returns the canonical host/path:tag, as docker and BuildKit print it.
func (t Tag) String() string { return t.Repository() + ":" + t.label }

// splitLabel cuts at the colon of the tag, which unlike the colon of a port has no slash behind it.
func splitLabel(s string) (base, label string) {
	colon := strings.LastIndexByte(s, ':')
	if colon <= strings.LastIndexByte(s, '/') {
		return s, ""
	}
	return s[:colon], s[colon+1:]
}

// splitHost splits a base as docker does. The host is the part before the first slash, if that has a dot or a colon or
// is localhost.
func splitHost(base string) (host, path string) {
	first, rest, found := strings.Cut(base, "/")
	if !found || !strings.ContainsAny(first, ".:") && first != "localhost" {
		return fault.DockerHub, base
	}
	return fault.CanonicalHost(first), rest
}

// withoutLogin removes user:password@ before a host. It leaves the @ of a digest, or of what was meant as a tag.
func withoutLogin(s string) string {
	if strayAt.MatchString(s) {
		return s
	}
	end := len(s)
	if at := digestPattern.FindStringIndex(s); at != nil {
		end = at[0]
	}
	return s[strings.LastIndexByte(s[:end], '@')+1:]
}

func labelOrLatest(label string) string {
	if label == "" {
		return "latest"
	}
	return label
}

// reason returns the part of the library's error that says more than "invalid reference format".
func reason(err error) string {
	return strings.TrimPrefix(err.Error(), "invalid reference format: ")
}

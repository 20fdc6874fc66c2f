package source

import (
	"os"
	"path"
	"strings"
)

// linksLimit is how many links BuildKit follows for one path.
const linksLimit = 255

// resolve returns the path that a source of COPY leads to, "" for the root, and marks every entry on the way as read.
//
// It follows links as the daemon does (RootPath of containerd/continuity): from the root of the tree, which they do not
// leave, and with ".." in the text of a link taken lexically. It returns false after too many links, and where the
// daemon asks its kernel for something behind a link that it has not followed yet.
func (m *marks) resolve(name string) (resolved string, ok bool) {
	r := linkResolver{marks: m}
	name = path.Join("/", name)
	for {
		followed := r.followed
		next := r.followEach(name)
		if r.failed {
			return "", false
		}
		next = path.Join("/", next)
		if followed == r.followed && next == name {
			return strings.TrimPrefix(name, "/"), true
		}
		name = next
	}
}

// linkResolver follows the links in one path.
type linkResolver struct {
	*marks
	followed int
	failed   bool
}

// followEach follows the links in each part of a path once.
func (r *linkResolver) followEach(name string) string {
	if r.failed || name == "/" {
		return name
	}
	dir := r.followEach(path.Dir(name))
	link, isLink := r.readLink(path.Join("/", dir, path.Base(name)))
	if !isLink || path.IsAbs(link) {
		return link
	}
	return path.Join(dir, link)
}

// readLink returns the text of a link, or the path itself of anything else. It marks the entries on the way.
func (r *linkResolver) readLink(name string) (text string, isLink bool) {
	for slash := 1; slash < len(name); slash++ { // the kernel would follow these
		if name[slash] != '/' {
			continue
		}
		if e := r.markRead(name[1:slash]); e != nil && e.mode&os.ModeSymlink != 0 {
			r.failed = true
		}
	}
	e := r.markRead(name[1:])
	if e == nil || e.mode&os.ModeSymlink == 0 {
		return name, false
	}
	if r.followed++; r.followed > linksLimit {
		r.failed = true
	}
	return e.link, true
}

// matchWildcards returns the paths that a source with wildcards stands for (ResolveWildcards of fsutil). It follows
// links before the first wildcard. An entry below a match is no match of its own. It returns false as resolve does.
func (m *marks) matchWildcards(pattern string) (matches []string, ok bool) {
	before, wild := splitWildcards(pattern)
	if wild == "" {
		return []string{before}, true
	}
	base, ok := m.resolve(before)
	if !ok {
		return nil, false
	}
	prefix := ""
	if base != "" {
		prefix = base + "/"
	}
	below := "/" // the last match, with a slash at its end
	for i := range m.tree.entries {
		name := m.tree.entries[i].path
		if !strings.HasPrefix(name, prefix) || strings.HasPrefix(name, below) {
			continue
		}
		if match, err := path.Match(wild, name[len(prefix):]); err == nil && match {
			matches, below = append(matches, name), name+"/"
		}
	}
	return matches, true
}

// splitWildcards splits a path before its first part with wildcards.
func splitWildcards(pattern string) (before, wild string) {
	parts := strings.Split(path.Join("/", pattern), "/")
	for i, part := range parts {
		if hasWildcards(part) {
			return path.Join("/", path.Join(parts[:i]...)), path.Join(parts[i:]...)
		}
	}
	return path.Join("/", pattern), ""
}

// hasWildcards tells whether a part of a path has a wildcard that no backslash escapes.
func hasWildcards(part string) bool {
	for i := 0; i < len(part); i++ {
		switch part[i] {
		case '*', '?', '[':
			return true
		case '\\':
			i++
		}
	}
	return false
}

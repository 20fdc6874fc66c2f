package source

import (
	"os"
	"path"
	"strings"
)

// linksLimit is how many links BuildKit follows for one path.
const linksLimit = 255

// resolve returns the path that a source of COPY leads to, "" for the root, and marks every entry that it leads through. It
// follows links as the daemon does (RootPath of containerd/continuity): from the root of the tree, which they do not leave,
// and with ".." in the text of a link taken lexically. It returns false where the daemon asks its kernel for what is behind
// a link that is not followed yet, and after too many links.
func (m *marks) resolve(name string) (resolved string, ok bool) {
	l := linkResolver{marks: m}
	name = path.Join("/", name)
	for {
		walked := l.followed
		next := l.followEach(name)
		if l.failed {
			return "", false
		}
		next = path.Join("/", next)
		if walked == l.followed && next == name {
			return strings.TrimPrefix(name, "/"), true
		}
		name = next
	}
}

// linkResolver follows those in one path.
type linkResolver struct {
	*marks
	followed int
	failed bool
}

// followEach follows the links in each part of a path once.
func (l *linkResolver) followEach(name string) string {
	if l.failed || name == "/" {
		return name
	}
	dir := l.followEach(path.Dir(name))
	link, isLink := l.readLink(path.Join("/", dir, path.Base(name)))
	if !isLink || path.IsAbs(link) {
		return link
	}
	return path.Join(dir, link)
}

// readLink returns the text of a link, or the path itself of anything else.
func (l *linkResolver) readLink(name string) (text string, isLink bool) {
	for slash := 1; slash < len(name); slash++ { // the kernel would follow these
		if name[slash] != '/' {
			continue
		}
		if e := l.markRead(name[1:slash]); e != nil && e.mode&os.ModeSymlink != 0 {
			l.failed = true
		}
	}
	e := l.markRead(name[1:])
	if e == nil || e.mode&os.ModeSymlink == 0 {
		return name, false
	}
	if l.followed++; l.followed > linksLimit {
		l.failed = true
	}
	return e.link, true
}

// markRead marks the entry at a path as read and returns it, nil when there is none.
func (m *marks) markRead(name string) *entry {
	i, found := m.tree.index(name)
	if !found {
		return nil
	}
	m.states[i] = isRead
	return &m.tree.entries[i]
}

// matchWildcards returns the paths that a source with wildcards stands for (ResolveWildcards of fsutil): links are followed before
// the first wildcard, and what is below a match is no match of its own. It returns false as resolve does.
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

// hasWildcards reports whether a part of a path has a wildcard that no backslash escapes.
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

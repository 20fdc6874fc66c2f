package source

import (
	"bytes"
	"os"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/canon"
)

// ChangeKind says how an entry differs between two trees.
type ChangeKind string

// The kinds of changes.
const (
	Added    ChangeKind = "added"
	Removed  ChangeKind = "removed"
	Modified ChangeKind = "modified" // content, link text or type
	Mode     ChangeKind = "mode"     // only the permissions
	Unread   ChangeKind = "no longer read"
)

// Change is one entry that differs between two trees.
type Change struct {
	Kind   ChangeKind
	Path   string
	Detail string // more about it, for people; "" when there is nothing to say
}

// AppendListing appends a listing of the tree: its paths with their types, modes and marks of their contents. It is for
// Changes, on this machine; its format may change with any version.
func (t *Tree) AppendListing(into []byte) []byte {
	for i := range t.entries {
		e := &t.entries[i]
		into = canon.AppendField(into, e.path)
		into = canon.AppendField(into, []byte{e.kind()})
		into = canon.AppendField(into, modeMark(e.mode))
		into = canon.AppendField(into, e.contentMark())
	}
	return into
}

func modeMark(m os.FileMode) []byte {
	bits := unixMode(m & hashedMode)
	return []byte{byte(bits >> 8), byte(bits)}
}

// Bytes of a file's digest in a listing: so many that nobody can make two contents with the same ones, and as many as earlier
// versions took, whose listings are still there.
const (
	markLength   = 16
	formerLength = 8
)

// contentMark is the beginning of a file's digest, the text of a link, nothing of a directory.
func (e *entry) contentMark() []byte {
	switch e.kind() {
	case 'f':
		return e.sum[:markLength]
	case 'l':
		return []byte(e.link)
	}
	return nil
}

// Changes tells what is different in the tree from the one of a listing, in the order of paths. What is not in the tree any more
// is removed, unless it exists: then it is not read, and nothing is told of what is below it. It returns false for bytes that are
// no listing.
func (t *Tree) Changes(listing []byte, exists func(path string) bool) (changes []Change, ok bool) {
	d := decoder{rest: listing}
	rest := t.entries
	unread := "/" // the last folder that is not read, with a slash at its end
	for len(d.rest) > 0 {
		was := d.nextEntry()
		if d.broken {
			return nil, false
		}
		for ; len(rest) > 0 && comparePaths(rest[0].path, was.path) < 0; rest = rest[1:] {
			changes = append(changes, Change{Kind: Added, Path: rest[0].path})
		}
		kind := Removed
		switch {
		case len(rest) > 0 && rest[0].path == was.path:
			kind = rest[0].differs(was)
			rest = rest[1:]
		case strings.HasPrefix(was.path, unread):
			kind = ""
		case exists(was.path):
			kind, unread = Unread, was.path+"/"
		}
		if kind != "" {
			changes = append(changes, Change{Kind: kind, Path: was.path})
		}
	}
	for i := range rest {
		changes = append(changes, Change{Kind: Added, Path: rest[i].path})
	}
	return changes, true
}

// listedEntry is one entry of a listing.
type listedEntry struct {
	path                string
	kind, mode, content []byte
}

func (d *decoder) nextEntry() listedEntry {
	return listedEntry{path: string(d.text()), kind: d.text(), mode: d.text(), content: d.text()}
}

// differs is "" for an entry that is as it was.
func (e *entry) differs(was listedEntry) ChangeKind {
	switch {
	case !bytes.Equal(was.kind, []byte{e.kind()}) || !bytes.Equal(was.content, e.contentMark()) && !e.hasFormerMark(was.content):
		return Modified
	case !bytes.Equal(was.mode, modeMark(e.mode)):
		return Mode
	}
	return ""
}

// hasFormerMark tells whether mark is that of the file in a listing by an earlier version.
func (e *entry) hasFormerMark(mark []byte) bool {
	return e.mode.IsRegular() && len(mark) == formerLength && bytes.HasPrefix(e.sum[:], mark)
}

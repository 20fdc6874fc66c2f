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

// Bytes of a file's digest in a listing. markLength is so many that nobody can make two contents with the same ones.
// Earlier versions wrote formerLength, and their listings are still there.
const (
	markLength   = 16
	formerLength = 8
)

// appendListing appends path, type, mode and content mark of each entry.
func appendListing(into []byte, entries []entry) []byte {
	for i := range entries {
		e := &entries[i]
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

// compareListing does what Tree.Changes says.
func compareListing(entries []entry, listing []byte, exists func(path string) bool) (changes []Change, ok bool) {
	d := decoder{rest: listing}
	rest := entries
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
			kind = compareEntry(&rest[0], was)
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

// compareEntry returns how an entry differs from what a listing says of it, or "".
func compareEntry(e *entry, was listedEntry) ChangeKind {
	sameContent := bytes.Equal(was.content, e.contentMark()) || hasFormerMark(e, was.content)
	switch {
	case !bytes.Equal(was.kind, []byte{e.kind()}) || !sameContent:
		return Modified
	case !bytes.Equal(was.mode, modeMark(e.mode)):
		return Mode
	}
	return ""
}

// hasFormerMark tells whether mark is that of a file in a listing by an earlier version.
func hasFormerMark(e *entry, mark []byte) bool {
	return e.mode.IsRegular() && len(mark) == formerLength && bytes.HasPrefix(e.sum[:], mark)
}

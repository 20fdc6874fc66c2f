package source

import (
	"bytes"
	"os"

	"github.com/tonistiigi/fsutil"
)

// ChangeKind says how an entry differs between two trees.
type ChangeKind string

// The kinds of changes.
const (
	Added    ChangeKind = "added"
	Removed  ChangeKind = "removed"
	Modified ChangeKind = "modified" // content, link text or type
	Mode     ChangeKind = "mode"     // only the permissions
)

// Change is one entry that differs between two trees.
type Change struct {
	Kind ChangeKind
	Path string
}

// AppendListing appends a listing of the tree: its paths with their types, modes and marks of their contents. It is for
// Changes, on this machine; its format may change with any version.
func (t *Tree) AppendListing(into []byte) []byte {
	for i := range t.entries {
		e := &t.entries[i]
		into = appendText(into, []byte(e.path))
		into = appendText(into, []byte{e.kind()})
		into = appendText(into, modeMark(e.mode))
		into = appendText(into, e.contentMark())
	}
	return into
}

func modeMark(m os.FileMode) []byte {
	bits := unixMode(m & hashedMode)
	return []byte{byte(bits >> 8), byte(bits)}
}

// contentMark is eight bytes of a file's digest, the text of a link, nothing of a directory.
func (e *entry) contentMark() []byte {
	switch e.kind() {
	case 'f':
		return e.sum[:8]
	case 'l':
		return []byte(e.link)
	}
	return nil
}

// Changes tells what is different in the tree from the one of a listing, in the order of paths. It returns false for bytes
// that are no listing.
func (t *Tree) Changes(listing []byte) (changes []Change, ok bool) {
	d := decoder{rest: listing}
	i := 0
	for len(d.rest) > 0 {
		path, kind, mode, content := string(d.text()), d.text(), d.text(), d.text()
		if d.broken {
			return nil, false
		}
		for i < len(t.entries) && fsutil.ComparePath(t.entries[i].path, path) < 0 {
			changes = append(changes, Change{Added, t.entries[i].path})
			i++
		}
		if i == len(t.entries) || t.entries[i].path != path {
			changes = append(changes, Change{Removed, path})
			continue
		}
		e := &t.entries[i]
		i++
		switch {
		case !bytes.Equal(kind, []byte{e.kind()}) || !bytes.Equal(content, e.contentMark()):
			changes = append(changes, Change{Modified, path})
		case !bytes.Equal(mode, modeMark(e.mode)):
			changes = append(changes, Change{Mode, path})
		}
	}
	for ; i < len(t.entries); i++ {
		changes = append(changes, Change{Added, t.entries[i].path})
	}
	return changes, true
}

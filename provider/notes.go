package provider

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// Limits of the files of notes. The oldest files are deleted if there are too many, or too many bytes in them.
// noteLimit is how many bytes one read takes.
const (
	notesKept  = 256
	notesBytes = 64 << 20
	noteLimit  = 4 << 20
)

// notes hold what is known about the images of a program during one run of the engine: the places that each writes to
// and, in a preview, what its update will make.
//
// A program may have several provider resources, each with its own process. Each process writes its notes to its own
// file, and reads the new lines of the other processes' files.
type notes struct {
	engine string // the same in all processes of one run; "" if this process is alone
	dir    string // of the files; "" if there are none

	mu          sync.Mutex
	own         *os.File         // the file of this process; nil before the first note
	name        string           // of own
	read        map[string]int64 // how many bytes of each other file have been read
	images      map[resource.URN]note
	updateBegan time.Time // when a call came that only an update makes; earlier promises do not count
}

// note is a line in a file of notes: about one image or, without a URN, about the beginning of an update.
type note struct {
	URN     resource.URN `json:",omitempty"`
	At      time.Time
	Uses    *uses    `json:",omitempty"`
	Promise *promise `json:",omitempty"`
}

// newNotes returns the notes of the engine that started this process.
func newNotes() *notes {
	engine, dir := engineRun("notes")
	return &notes{engine: engine, dir: dir, read: map[string]int64{}, images: map[resource.URN]note{}}
}

// forget drops the notes when the process is configured again, unless other processes share them. A process that a
// debugger started may serve several runs.
func (n *notes) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.engine == "" {
		clear(n.images)
	}
}

// add records a note and writes it for the other processes. A note that cannot be written stays in this process. The
// caller holds mu.
func (n *notes) add(one note) {
	one.At = time.Now()
	n.record(one)
	line, err := json.Marshal(one)
	if err != nil || n.dir == "" {
		return
	}
	if n.own == nil {
		n.createFile()
	}
	if n.own != nil {
		_, _ = n.own.Write(append(line, '\n'))
	}
}

// createFile creates the file of this process.
func (n *notes) createFile() {
	dir, err := private.Open(n.dir)
	if err != nil {
		return
	}
	defer func() { _ = dir.Close() }()
	n.name = n.prefix() + rand.Text()
	if n.own, err = dir.Create(n.name); err == nil {
		dir.KeepNewest(notesKept, notesBytes)
	}
}

// record replaces what is known about the image of a note.
func (n *notes) record(one note) {
	if one.URN == "" {
		n.updateBegan = one.At
		return
	}
	known := n.images[one.URN]
	if one.Uses != nil {
		known.Uses = one.Uses
	}
	if one.Promise != nil {
		known.Promise, known.At = one.Promise, one.At
	}
	n.images[one.URN] = known
}

// refresh reads what the other processes have added. The caller holds mu.
func (n *notes) refresh() {
	if n.dir == "" {
		return
	}
	dir, err := private.Find(n.dir)
	if err != nil {
		return
	}
	defer func() { _ = dir.Close() }()
	entries, err := dir.Entries()
	if err != nil {
		return
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), n.prefix()) && entry.Name() != n.name {
			n.readFile(dir, entry.Name())
		}
	}
}

// readFile reads the complete lines that a file has gained since the last call.
func (n *notes) readFile(dir *private.Folder, name string) {
	opened, err := dir.Open(name)
	if err != nil {
		return
	}
	defer func() { _ = opened.Close() }()
	text, err := io.ReadAll(io.NewSectionReader(opened, n.read[name], noteLimit))
	if err != nil {
		return
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	n.read[name] += int64(len(text))
	for line := range bytes.Lines(text) {
		var one note
		if json.Unmarshal(line, &one) == nil {
			n.record(one)
		}
	}
}

// prefix returns the beginning of the file names of one run.
func (n *notes) prefix() string {
	sum := sha256.Sum256([]byte(n.engine))
	return hex.EncodeToString(sum[:]) + "-"
}

// urns returns the sorted URNs of all images with notes.
func (n *notes) urns() []resource.URN { return slices.Sorted(maps.Keys(n.images)) }

// noteUses replaces the noted places of an image, and returns those that images with other inputs have too.
func (n *notes) noteUses(urn resource.URN, identity string, wanted []use) (common []sharedUse) {
	n.mu.Lock()
	defer n.mu.Unlock()
	mine := uses{Inputs: identity}
	for _, u := range wanted {
		mine.Of = append(mine.Of, u.key())
	}
	if len(mine.Of) > 0 || n.images[urn].Uses != nil {
		n.add(note{URN: urn, Uses: &mine})
	}
	n.refresh() // after the note, so that of two processes at least one sees the other's
	for _, u := range wanted {
		if other := n.otherUser(urn, identity, u.key()); other != "" {
			common = append(common, sharedUse{u, other})
		}
	}
	return common
}

// otherUser returns the first image with other inputs that uses the same place, or "". The caller holds mu.
func (n *notes) otherUser(urn resource.URN, identity, key string) (first resource.URN) {
	for other, one := range n.images {
		if other == urn || one.Uses == nil || one.Uses.Inputs == identity || first != "" && first < other {
			continue
		}
		if slices.Contains(one.Uses.Of, key) {
			first = other
		}
	}
	return first
}

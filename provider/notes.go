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

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// Bounds of the files of notes: how many there are, and bytes in them, before the oldest are dropped, and bytes that are
// read of one at once.
const (
	notesKept  = 256
	notesBytes = 64 << 20
	noteLimit  = 4 << 20
)

// notes are what is known of the images of a program in one run of the engine: what each uses that only one can have,
// and in a preview what its update will make. A program may have several provider resources, each with a process of its
// own. Each process adds its notes to one file, and reads what is new in those of the others.
type notes struct {
	engine string // what the processes of one run have in common; "": nothing, and this process is alone
	dir    string // "": none

	mu     sync.Mutex
	own    *os.File         // of this process; nil before the first note
	name   string           // of own
	read   map[string]int64 // of each file of another process, how much of it
	images map[resource.URN]note
	updateBegan time.Time // when a call came that only an update makes; promises of before do not count
}

// note is a line in a file of notes: of one image, or of the run when it names none.
type note struct {
	URN     resource.URN `json:",omitempty"`
	At      time.Time
	Uses    *uses    `json:",omitempty"`
	Promise *promise `json:",omitempty"`
}

// newNotes are those of the engine that started this process.
func newNotes() *notes {
	engine, dir := runOfEngine("notes")
	return &notes{engine: engine, dir: dir, read: map[string]int64{}, images: map[resource.URN]note{}}
}

// forget drops what this process alone remembers, when it is configured anew: a process that no engine started, but a
// debugger, may serve several runs.
func (n *notes) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.engine == "" {
		clear(n.images)
	}
}

// add keeps a note, also for the other processes. What cannot be written is known to this process only. The caller
// holds mu.
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

// createFile makes the file of this process.
func (n *notes) createFile() {
	dir, err := private.Open(n.dir)
	if err != nil {
		return
	}
	defer func() { _ = dir.Close() }()
	n.name = n.prefix() + rand.Text()
	if n.own, err = dir.Create(n.name); err == nil {
		source.KeepNewest(dir, notesKept, notesBytes)
	}
}

// record takes a note over what is known of its image.
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

// refresh reads what other processes have added. The caller holds mu.
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

// readFile reads the whole lines that a file has more than before.
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

// prefix begins the names of the files of one run.
func (n *notes) prefix() string {
	sum := sha256.Sum256([]byte(n.engine))
	return hex.EncodeToString(sum[:]) + "-"
}

// urns are those of all images that something is known of, sorted.
func (n *notes) urns() []resource.URN { return slices.Sorted(maps.Keys(n.images)) }

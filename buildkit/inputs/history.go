package inputs

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// Bounds of the history: builds that are remembered, bytes of all of them and of one.
const (
	maxHistoryBuilds = 2000
	maxHistoryBytes  = 256 << 20
	maxEntryBytes    = 32 << 20
)

// History remembers on this machine what builds read, so that a later preview can tell what changed. It is for people only:
// nothing depends on it, what is damaged or missing in it is not told, and what cannot be written is not remembered. A nil
// History remembers nothing, and neither does one whose folder other users may write to.
type History struct{ dir string }

// newHistory keeps its files in dir, which is made with mode 0700.
func newHistory(dir string) *History { return &History{dir: dir} }

// UserHistory is the one in the user's cache folder; nil when the user has none.
func UserHistory() *History {
	base, err := private.CacheFolder()
	if err != nil {
		return nil
	}
	return newHistory(filepath.Join(base, "history"))
}

// Remember keeps what the inputs with this hash are.
func (h *History) Remember(hash string, in *Inputs) {
	if h == nil || !isHash(hash) {
		return
	}
	var data bytes.Buffer
	z, _ := gzip.NewWriterLevel(&data, gzip.BestSpeed) // the level is a known one
	known := in.sections()
	for _, name := range slices.Sorted(maps.Keys(known)) {
		for _, text := range [][]byte{[]byte(name), known[name]} {
			_, _ = z.Write(append(binary.AppendUvarint(nil, uint64(len(text))), text...)) // a buffer does not fail
		}
	}
	if z.Close() != nil || data.Len() > maxEntryBytes {
		return
	}
	dir, err := private.Open(h.dir)
	if err != nil {
		return
	}
	defer func() { _ = dir.Close() }()
	_ = dir.Write(hash, data.Bytes())
	source.KeepNewest(dir, maxHistoryBuilds, maxHistoryBytes)
}

func (h *History) recall(hash string) map[string][]byte {
	if h == nil || !isHash(hash) {
		return nil
	}
	dir, err := private.Find(h.dir)
	if err != nil {
		return nil
	}
	defer func() { _ = dir.Close() }()
	f, err := dir.Open(hash)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(z, 8*maxEntryBytes))
	if err != nil {
		return nil
	}
	return decodeSections(data)
}

// decodeSections are names and listings in turn; nil when data is not that.
func decodeSections(data []byte) map[string][]byte {
	found, name := map[string][]byte{}, ""
	for i := 0; len(data) > 0; i++ {
		n, size := binary.Uvarint(data)
		if size <= 0 || n > uint64(len(data)-size) {
			return nil
		}
		text := data[size : size+int(n)]
		data = data[size+int(n):]
		if i%2 == 0 {
			name = string(text)
		} else {
			found[name] = text
		}
	}
	return found
}

// isHash keeps hashes that a user gave by hand out of file names.
func isHash(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

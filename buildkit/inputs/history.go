package inputs

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/canon"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// Bounds of the history: how many builds it remembers, and how many bytes all of them and one of them may take.
const (
	maxHistoryBuilds = 2000
	maxHistoryBytes  = 256 << 20
	maxEntryBytes    = 32 << 20
)

// History remembers on this machine what builds read, so that a later preview can tell what changed. A nil History
// remembers nothing, and neither does one whose folder other users may write to.
//
// It is for people only: nothing depends on it. It skips without an error what is damaged or missing in it, and what it
// cannot write.
type History struct{ dir string }

// newHistory returns a history that keeps its files in dir, which it makes with mode 0700.
func newHistory(dir string) *History { return &History{dir: dir} }

// UserHistory returns the history in the user's cache folder, nil when the user has none.
func UserHistory() *History {
	base, err := private.CacheFolder()
	if err != nil {
		return nil
	}
	return newHistory(filepath.Join(base, "history"))
}

// Remember writes down what the inputs with this hash are.
func (h *History) Remember(hash string, in *Inputs) {
	if h == nil || !isHash(hash) {
		return
	}
	data, err := encodeSections(historySections(in))
	if err != nil || len(data) > maxEntryBytes {
		return
	}
	dir, err := private.Open(h.dir)
	if err != nil {
		return
	}
	defer func() { _ = dir.Close() }()
	_ = dir.Write(hash, data)
	dir.KeepAbout(maxHistoryBuilds, maxHistoryBytes)
}

// recall returns the sections of the inputs that had the hash, nil if they are not known.
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

// encodeSections returns names and listings in turn, each behind its length, compressed.
func encodeSections(sections map[string][]byte) ([]byte, error) {
	var data bytes.Buffer
	z, _ := gzip.NewWriterLevel(&data, gzip.BestSpeed) // the level is a known one
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		for _, text := range [][]byte{[]byte(name), sections[name]} {
			_, _ = z.Write(canon.AppendField(nil, text)) // a buffer does not fail
		}
	}
	err := z.Close()
	return data.Bytes(), err
}

// decodeSections reads what encodeSections wrote, without the compression. It returns nil when data is anything else.
func decodeSections(data []byte) map[string][]byte {
	sections, name := map[string][]byte{}, ""
	for i := 0; len(data) > 0; i++ {
		text, rest, ok := canon.CutField(data)
		if !ok {
			return nil
		}
		data = rest
		if i%2 == 0 {
			name = string(text)
		} else {
			sections[name] = text
		}
	}
	return sections
}

// isHash tells whether s is a hash of inputs. It keeps a hash that a user made up out of file names.
func isHash(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

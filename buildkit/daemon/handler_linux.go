package daemon

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// handler is an entry of the kernel's table of handlers for foreign executables.
type handler struct {
	name        string
	enabled     bool
	offset      string // where magic begins: "0" for an ELF header; "" if the handler goes by the name of the file
	magic, mask []byte // if mask is empty, every bit of magic matters
}

// matches reports whether the handler is enabled and takes executables of m. Of several such handlers the kernel uses
// the one that was registered last.
func (h handler) matches(m architecture) bool {
	header, _ := m.header()
	// A longer magic looks at bytes that header does not know.
	if !h.enabled || h.offset != "0" || len(h.magic) == 0 || len(h.magic) > len(header) {
		return false
	}
	for i, want := range h.magic {
		differ := want ^ header[i]
		if i < len(h.mask) {
			differ &= h.mask[i]
		}
		if differ != 0 {
			return false
		}
	}
	return true
}

// handlers returns the entries of the table.
func (b binfmt) handlers() ([]handler, error) {
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return nil, err
	}
	var found []handler
	for _, entry := range entries {
		if entry.Name() == "register" || entry.Name() == "status" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(b.dir, entry.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed a moment ago
		}
		if err != nil {
			return nil, err
		}
		h, err := parseHandler(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(b.dir, entry.Name()), err)
		}
		h.name = entry.Name()
		found = append(found, h)
	}
	return found, nil
}

// parseHandler reads what the kernel shows of an entry: "enabled" or "disabled", then a line for each property.
func parseHandler(text []byte) (h handler, err error) {
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "enabled":
			h.enabled = true
		case "offset":
			h.offset = value
		case "magic":
			h.magic, err = hex.DecodeString(value)
		case "mask":
			h.mask, err = hex.DecodeString(value)
		}
		if err != nil {
			return h, err
		}
	}
	return h, nil
}

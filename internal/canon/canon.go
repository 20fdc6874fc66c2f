// Package canon encodes fields so that two different sequences of fields never have the same encoding.
//
// A field is its length as an unsigned varint, then its bytes. Hashes of it are in states, tags and caches, so the
// encoding does not change.
package canon

import (
	"encoding/binary"
	"hash"
)

// AppendField appends a field to encoded and returns the result.
func AppendField[T string | []byte](encoded []byte, field T) []byte {
	return append(binary.AppendUvarint(encoded, uint64(len(field))), field...)
}

// WriteField adds a field to a hash. Writing to a hash does not fail.
func WriteField(h hash.Hash, field []byte) {
	_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(field))))
	_, _ = h.Write(field)
}

// CutField returns the first field and the bytes after it. It returns false if encoded does not begin with a whole
// field.
func CutField(encoded []byte) (field, rest []byte, ok bool) {
	n, size := binary.Uvarint(encoded)
	if size <= 0 || n > uint64(len(encoded)-size) {
		return nil, nil, false
	}
	end := size + int(n)
	return encoded[size:end:end], encoded[end:], true
}

package source

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/canon"
)

// A cache file has these fields:
//
//	header   "pulumi-buildkit stat cache v1\n"
//	sum      SHA-256 of all that follows
//	context  its absolute path
//	folders  path and block of each, sorted by path
//
// A block holds the records of a folder's files, sorted by name: name, size, mtime, ctime, inode, 32 bytes of SHA-256.
// Texts and blocks are fields of package canon; numbers are signed varints.
const cacheHeader = "pulumi-buildkit stat cache v1\n"

// encodeCache returns the cache file about a context.
func encodeCache(context string, blocks map[string][]byte) []byte {
	size := len(cacheHeader) + sha256.Size + len(context) + binary.MaxVarintLen64
	for path, block := range blocks {
		size += len(path) + len(block) + 2*binary.MaxVarintLen64
	}
	file := append(make([]byte, 0, size), cacheHeader...)
	file = append(file, make([]byte, sha256.Size)...) // the sum of what follows
	file = canon.AppendField(file, context)
	for _, path := range slices.Sorted(maps.Keys(blocks)) {
		if len(blocks[path]) > 0 { // or all of its files are gone
			file = canon.AppendField(canon.AppendField(file, path), blocks[path])
		}
	}
	sum := sha256.Sum256(file[len(cacheHeader)+sha256.Size:])
	copy(file[len(cacheHeader):], sum[:])
	return file
}

// encodeRecords returns the block of a folder with these records. It sorts them.
func encodeRecords(records []record) (block []byte) {
	slices.SortFunc(records, func(a, b record) int { return bytes.Compare(a.name, b.name) })
	for _, r := range records {
		block = canon.AppendField(block, r.name)
		for _, n := range []int64{r.state.size, r.state.mtime, r.state.ctime, r.state.inode} {
			block = binary.AppendVarint(block, n)
		}
		block = append(block, r.sum[:]...)
	}
	return block
}

// decodeCache returns the blocks by folder. It returns nil for anything but a whole cache file about this context.
func decodeCache(data []byte, context string) map[string][]byte {
	body, ok := bytes.CutPrefix(data, []byte(cacheHeader))
	if !ok || len(body) < sha256.Size || sha256.Sum256(body[sha256.Size:]) != [sha256.Size]byte(body[:sha256.Size]) {
		return nil
	}
	d := decoder{rest: body[sha256.Size:]}
	if string(d.text()) != context {
		return nil
	}
	blocks := map[string][]byte{}
	for len(d.rest) > 0 && !d.broken {
		path := d.text()
		blocks[string(path)] = d.text()
	}
	if d.broken {
		return nil
	}
	return blocks
}

// decodeRecords returns the records of a block, or nil for any other bytes.
func decodeRecords(block []byte) []record {
	if len(block) == 0 {
		return nil
	}
	d, records := decoder{rest: block}, make([]record, 0, len(block)/64)
	for len(d.rest) > 0 && !d.broken {
		r := record{name: d.text()}
		r.state = fileState{size: d.number(), mtime: d.number(), ctime: d.number(), inode: d.number()}
		copy(r.sum[:], d.take(sha256.Size))
		records = append(records, r)
	}
	if d.broken {
		return nil
	}
	return records
}

// decoder reads from the front of rest. If something is missing there it is broken, and returns nothing from then on.
type decoder struct {
	rest   []byte
	broken bool
}

// take returns the next n bytes.
func (d *decoder) take(n uint64) []byte {
	if d.broken || n > uint64(len(d.rest)) {
		d.broken = true
		return nil
	}
	first := d.rest[:n:n]
	d.rest = d.rest[n:]
	return first
}

// text returns the next field.
func (d *decoder) text() []byte {
	text, rest, ok := canon.CutField(d.rest)
	if d.broken || !ok {
		d.broken = true
		return nil
	}
	d.rest = rest
	return text
}

// number returns the next signed varint.
func (d *decoder) number() int64 {
	n, size := binary.Varint(d.rest)
	if size <= 0 {
		d.broken = true
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

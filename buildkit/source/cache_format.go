package source

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/canon"
)

// A cache file is
//
//	header   "pulumi-buildkit stat cache v1\n"
//	sum      SHA-256 of all that follows
//	context  its absolute path
//	folders  path and block of each, sorted by path
//
// and a block the records of a folder's files, sorted by name: name, size, mtime, ctime, inode, 32 bytes of SHA-256. Texts and blocks have their length in front, an unsigned varint; numbers are signed varints.
const cacheHeader = "pulumi-buildkit stat cache v1\n"

// encode keeps what this scan learned, and the other folders as they were: only those that it came to when all are more than limit
// bytes. It may be more all the same.
func (r *contextCache) encode(limit int) []byte {
	blocks := maps.Clone(r.blocks)
	if blocks == nil {
		blocks = map[string][]byte{}
	}
	maps.Copy(blocks, r.updated)
	file := r.encodeFile(blocks)
	if len(file) > limit {
		maps.DeleteFunc(blocks, func(path string, _ []byte) bool { return !r.visited[path] })
		file = r.encodeFile(blocks)
	}
	return file
}

func (r *contextCache) encodeFile(blocks map[string][]byte) []byte {
	size := len(cacheHeader) + sha256.Size + len(r.context) + binary.MaxVarintLen64
	for path, block := range blocks {
		size += len(path) + len(block) + 2*binary.MaxVarintLen64
	}
	file := append(make([]byte, 0, size), cacheHeader...)
	file = append(file, make([]byte, sha256.Size)...) // the sum of what follows
	file = canon.AppendField(file, r.context)
	for _, path := range slices.Sorted(maps.Keys(blocks)) {
		if len(blocks[path]) > 0 { // all of its files are gone
			file = canon.AppendField(canon.AppendField(file, path), blocks[path])
		}
	}
	sum := sha256.Sum256(file[len(cacheHeader)+sha256.Size:])
	copy(file[len(cacheHeader):], sum[:])
	return file
}

func (k *folderCache) encode() (block []byte) {
	records := slices.Concat(k.records, k.added)
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

// decodeCache returns the blocks by folder; nil for anything but a whole cache file about this context.
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

// decodeRecords returns no records for a block that is not one.
func decodeRecords(block []byte) []record {
	if len(block) == 0 {
		return nil
	}
	d, records := decoder{rest: block}, make([]record, 0, len(block)/64)
	for len(d.rest) > 0 && !d.broken {
		r := record{name: d.text(), state: fileState{size: d.number(), mtime: d.number(), ctime: d.number(), inode: d.number()}}
		copy(r.sum[:], d.take(sha256.Size))
		records = append(records, r)
	}
	if d.broken {
		return nil
	}
	return records
}

// decoder reads from the front of rest. What is not there breaks it, and it yields nothing from then on.
type decoder struct {
	rest   []byte
	broken bool
}

func (d *decoder) take(n uint64) []byte {
	if d.broken || n > uint64(len(d.rest)) {
		d.broken = true
		return nil
	}
	taken := d.rest[:n:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *decoder) text() []byte {
	text, rest, ok := canon.CutField(d.rest)
	if d.broken || !ok {
		d.broken = true
		return nil
	}
	d.rest = rest
	return text
}

func (d *decoder) number() int64 {
	n, size := binary.Varint(d.rest)
	if size <= 0 {
		d.broken = true
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

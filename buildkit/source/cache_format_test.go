package source

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"testing"
)

// decodeCache takes only what encodeCache wrote.
func FuzzCacheFile(f *testing.F) {
	whole := wholeCache()
	f.Add(whole, uint(0), byte(0))
	f.Add(whole, uint(len(whole)-1), byte(1))
	f.Add(whole[:len(whole)-1], uint(3), byte(0))
	f.Add([]byte(cacheHeader), uint(0), byte(0))
	f.Add(whole[len(cacheHeader)+sha256.Size:], uint(0), byte(0))
	f.Fuzz(func(t *testing.T, data []byte, place uint, flip byte) {
		for path, block := range decodeCache(data, "/context") {
			if len(decodeRecords(block)) == 0 && len(block) > 0 {
				t.Logf("%q is no block", path) // its sum is right: somebody made it
			}
		}
		decodeRecords(data) // arbitrary bytes do not panic
		damaged := slices.Clone(whole)
		damaged[place%uint(len(whole))] ^= flip
		if blocks := decodeCache(damaged, "/context"); (blocks == nil) != (flip != 0) {
			t.Errorf("bits %08b of byte %d flipped: %d folders", flip, place%uint(len(whole)), len(blocks))
		}
		if !bytes.Equal(data, whole) && bytes.HasPrefix(whole, data) && decodeCache(data, "/context") != nil {
			t.Errorf("%d bytes of %d are taken for a cache", len(data), len(whole))
		}
	})
}

func wholeCache() []byte {
	encode := func(names ...string) []byte {
		var records []record
		for i, name := range names {
			state := fileState{size: int64(i), mtime: -5, ctime: 7 << 40, inode: 9}
			records = append(records, record{name: []byte(name), state: state, sum: sha256.Sum256([]byte(name))})
		}
		return encodeRecords(records)
	}
	blocks := map[string][]byte{".": encode("a", "b", "é\n"), "d": encode("x"), "empty": encode()}
	return encodeCache("/context", blocks)
}

func TestEveryFlippedBitOfACacheIsSeen(t *testing.T) {
	t.Parallel()
	whole := wholeCache()
	blocks := decodeCache(whole, "/context")
	records := decodeRecords(blocks["."])
	if len(blocks) != 2 || len(records) != 3 || string(records[2].name) != "é\n" {
		t.Fatalf("the cache itself is not understood: %q", blocks)
	}
	if decodeCache(whole, "/other") != nil {
		t.Error("a cache of another folder is taken")
	}
	for i := range len(whole) * 8 {
		damaged := slices.Clone(whole)
		damaged[i/8] ^= 1 << (i % 8)
		if decodeCache(damaged, "/context") != nil {
			t.Errorf("bit %d of byte %d is not seen", i%8, i/8)
		}
	}
	for i := range whole {
		if decodeCache(whole[:i], "/context") != nil {
			t.Errorf("the first %d bytes are taken for a cache", i)
		}
	}
}

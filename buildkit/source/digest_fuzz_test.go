package source

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"testing"
)

// Two different lists of entries never have one encoding.
func FuzzDigestEncoding(f *testing.F) {
	f.Add([]byte("f1a\x00b"), []byte("f1a\x01b"))
	f.Add([]byte("d0a\x00f0a/b\x00"), []byte("d0a\x00f0a/b\x00l0a/c\x00x"))
	f.Add([]byte("l0a\x00bc"), []byte("l0ab\x00c"))
	f.Add([]byte("f0\x00\n"), []byte("f0\n\x00"))
	// A link's text may look like an entry.
	f.Add([]byte("l0a\x00x\nl0b\x00y"), []byte("l0a\x00x\x00\x01l\x01b\x04\x00\x00\x01\x40y"))
	f.Fuzz(func(t *testing.T, one, other []byte) {
		a, b := entriesFrom(one), entriesFrom(other)
		encodedA, textA := encodeTwice(a)
		encodedB, textB := encodeTwice(b)
		if same := bytes.Equal(encodedA, encodedB); same != (textA == textB) {
			t.Errorf("the encodings are equal: %v\n%s\n%s", same, textA, textB)
		}
		sameDigest := (&Tree{entries: a}).Digest() == (&Tree{entries: b}).Digest()
		if sameDigest != (textA == textB) {
			t.Errorf("the digests are equal: %v\n%s\n%s", sameDigest, textA, textB)
		}
	})
}

// entriesFrom makes a list of entries from arbitrary bytes: one for each line, with its kind, mode, path and link or
// content.
func entriesFrom(data []byte) (list []entry) {
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		if len(line) < 2 {
			continue
		}
		path, rest, _ := bytes.Cut(line[2:], []byte{0})
		e := entry{path: string(path), mode: os.FileMode(line[1])*7 | os.FileMode(line[1]&1)*os.ModeSetuid}
		switch line[0] {
		case 'd':
			e.mode |= os.ModeDir
		case 'l':
			e.mode |= os.ModeSymlink
			e.link = string(rest)
		default:
			e.sum = sha256.Sum256(rest)
		}
		list = append(list, e)
	}
	return list
}

// encodeTwice returns our encoding of a list, and one whose fields obviously cannot be mixed up.
func encodeTwice(list []entry) ([]byte, string) {
	var encoded []byte
	var text strings.Builder
	for i := range list {
		e := &list[i]
		encoded = e.appendTo(encoded)
		fmt.Fprintf(&text, "%c %q %v %q %x\n", e.kind(), e.path, e.mode&(os.ModeSetuid|0o755), e.link, e.sum)
	}
	return encoded, text.String()
}

package canon

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strings"
	"testing"
)

func TestEncoding(t *testing.T) {
	t.Parallel()
	encoded := AppendField(AppendField([]byte("header"), "ab"), []byte{})
	encoded = AppendField(encoded, strings.Repeat("c", 200))
	want := "header" + "\x02ab" + "\x00" + "\xc8\x01" + strings.Repeat("c", 200)
	if string(encoded) != want {
		t.Errorf("got %q, want %q", encoded, want)
	}
}

func TestWriteFieldHashesTheEncoding(t *testing.T) {
	t.Parallel()
	h := sha256.New()
	var encoded []byte
	for _, field := range []string{"a", "", strings.Repeat("b", 1000)} {
		WriteField(h, []byte(field))
		encoded = AppendField(encoded, field)
	}
	if sum := sha256.Sum256(encoded); !bytes.Equal(h.Sum(nil), sum[:]) {
		t.Errorf("got %x, want %x", h.Sum(nil), sum)
	}
}

// FuzzCutField cuts any bytes into fields. The fields that it finds encode to the bytes before the rest, unless a
// length is written with more bytes than it needs.
func FuzzCutField(f *testing.F) {
	f.Add([]byte("\x01a\x00\x02bc"))
	f.Add([]byte("\x05a"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xffa"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var fields [][]byte
		for rest := data; ; {
			field, after, ok := CutField(rest)
			if !ok {
				break
			}
			if len(field)+len(after) >= len(rest) || !bytes.HasSuffix(rest, after) {
				t.Fatalf("%q was cut into %q and %q", rest, field, after)
			}
			fields, rest = append(fields, field), after
		}
		var encoded []byte
		for _, field := range fields {
			encoded = AppendField(encoded, field)
		}
		var again [][]byte
		for len(encoded) > 0 {
			var field []byte
			field, encoded, _ = CutField(encoded)
			again = append(again, field)
		}
		if !slices.EqualFunc(fields, again, bytes.Equal) {
			t.Errorf("%q became %q", fields, again)
		}
	})
}

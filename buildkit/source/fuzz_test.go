package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tonistiigi/fsutil"
)

// A scan takes exactly what BuildKit's own client sends, for any patterns.
func FuzzScope(f *testing.F) {
	seeds := []struct{ excludes, includes, name string }{
		{"", "", "x"}, {"*", "", "x"}, {"*\n!d/e", "", "d e"}, {"**/*.go\n!d", "d", "[x]"},
		{"d/*\n!d/**/z.go", "d\na", "!x"},
		{"!a", "d/e/z.go", "#"}, {"/d/\n./n", "n/m", "back\\slash"}, {"d/**\n!d/e/**", "*", "é"},
		{"?\n[a-d]*", "d*/x.go", "é"},
		{"**\n!**/k", "**/k\nlink", "-"}, {"n/m\n!n", "../a", "new\nline"}, {"\\*\n!\\d", "!a", "^"},
		{"a-b\nd-", "link/x.go", "d-"}, {"d\n!d/e/z.go/..", "loop", "k"},
	}
	for _, s := range seeds {
		f.Add(s.excludes, s.includes, s.name, false)
		f.Add(s.excludes, s.includes, s.name, true)
	}
	f.Fuzz(func(t *testing.T, excludes, includes, name string, follow bool) {
		dir := fuzzedTree(t, name)
		opt := &fsutil.FilterOpt{ExcludePatterns: lines(excludes), IncludePatterns: lines(includes)}
		scope := Scope{Excludes: lines(excludes), Includes: lines(includes)}
		var followErr error
		if follow && includes != "" {
			opt.IncludePatterns, opt.FollowPaths = nil, lines(includes)
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = root.Close() }()
			scope.Includes, followErr = FollowLinks(t.Context(), root, lines(includes))
		}
		want, wantErr := pathsSentByBuildKit(t, dir, opt)
		scanned, err := Scan(t.Context(), dir, scope, Options{})
		if wantErr != nil || followErr != nil || err != nil {
			if (wantErr == nil) != (err == nil && followErr == nil) {
				t.Fatalf("BuildKit's error %v, ours %v, %v", wantErr, err, followErr)
			}
			return
		}
		got := []string{}
		for _, e := range scanned.entries {
			got = append(got, e.path)
		}
		if !slices.Equal(got, want) {
			t.Errorf("took %q, BuildKit takes %q", got, want)
		}
	})
}

// lines splits a text. It returns nil, which is no filter, for an empty one.
func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// fuzzedTree makes a tree with entries of all kinds. Some of them have the given name if a file can have it.
func fuzzedTree(t *testing.T, name string) string {
	t.Helper()
	files := map[string]string{
		"a": "", "a-b": "", ".x": "", "d/x.go": "", "d/y.md": "", "d/e/z.go": "", "d/e/k/": "", "n/m/k": "",
		"empty/": "", "link": "->d", "loop": "->loop", "n/up": "->../d/e", "n/abs": "->/n/m", "dangling": "->nowhere",
	}
	usable := name != "" && len(name) < 200 && !strings.ContainsAny(name, "/\x00") &&
		strings.Trim(name, ".") != "" && utf8.ValidString(name)
	if _, taken := files[name]; usable && !taken && name != "d" && name != "n" && name != "empty" {
		files[name], files["n/"+name+"/x"], files["d/e/"+name] = "", "", "->../"+name
		if name == "m" || name == "up" || name == "abs" {
			delete(files, "n/"+name+"/x")
		}
		if name == "z.go" || name == "k" {
			delete(files, "d/e/"+name)
			files["d/e/"+name+"2"] = ""
		}
	}
	return writeTree(t, files)
}

// pathsSentByBuildKit returns the paths that BuildKit's client sends.
func pathsSentByBuildKit(t *testing.T, dir string, opt *fsutil.FilterOpt) ([]string, error) {
	t.Helper()
	disk, err := fsutil.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	taken, err := fsutil.NewFilterFS(disk, opt)
	if err != nil {
		return nil, err
	}
	paths := []string{}
	err = taken.Walk(context.Background(), "/", func(path string, _ fs.DirEntry, err error) error {
		paths = append(paths, path)
		return err
	})
	return paths, err
}

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
		t.Error("a cache of another directory is taken")
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

// A scan takes what BuildKit's client sends also of a tree with more files than a chunk has.
func TestScopeOnADeepTree(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for i := range 300 {
		files[filepath.Join(fmt.Sprint("d", i%7), fmt.Sprint("e", i%11), fmt.Sprint("f", i, ".go"))] = ""
	}
	dir := writeTree(t, files)
	for _, excludes := range []string{"d1\n!d1/e2", "**/e*\n!**/f7*", "*\n!d3/e4/f200.go", "d?/e1*/**\n!d2/**/*1.go"} {
		want, err := pathsSentByBuildKit(t, dir, &fsutil.FilterOpt{ExcludePatterns: lines(excludes)})
		if err != nil {
			t.Fatal(err)
		}
		if got := paths(t, dir, lines(excludes)...); !slices.Equal(got, want) {
			t.Errorf("%q: took %d, BuildKit takes %d", excludes, len(got), len(want))
		}
	}
}

package source

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// findCollision returns two texts of one length that FromFiles gives one time.
func findCollision(t *testing.T) (one, other string) {
	t.Helper()
	seen := map[int64]string{}
	for i := range 1 << 20 {
		text := fmt.Sprintf("# %08d\n", i)
		e := FromFiles(map[string][]byte{"f": []byte(text)}).entries[0]
		if before, ok := seen[e.mtime]; ok {
			return before, text
		}
		seen[e.mtime] = text
	}
	t.Fatal("no collision")
	return "", ""
}

func treeOf(text string) map[string]*Tree {
	return map[string]*Tree{"context": FromFiles(map[string][]byte{"f": []byte(text)})}
}

func TestTransfersKeepTheirKey(t *testing.T) {
	t.Parallel()
	transfers := newTransfers(filepath.Join(t.TempDir(), "new", "folder"))
	key := transfers.Key("base", treeOf("1"), nil)
	for _, same := range []string{"1", "2", "333", "1"} {
		if got := newTransfers(transfers.dir).Key("base", treeOf(same), nil); got != key {
			t.Errorf("with %q the key is %s and was %s", same, got, key)
		}
	}
	if transfers.Key("other base", treeOf("1"), nil) == key {
		t.Error("two bases share a key")
	}
}

func TestTransfersOfCollidingFilesHaveTwoKeys(t *testing.T) {
	t.Parallel()
	one, other := findCollision(t)
	epoch := int64(1)
	for name, epoch := range map[string]*int64{"as recorded": nil, "with an epoch": &epoch} {
		transfers := newTransfers(t.TempDir())
		first := transfers.Key("base", treeOf(one), epoch)
		second := transfers.Key("base", treeOf(other), epoch)
		again := transfers.Key("base", treeOf(other), epoch)
		back := transfers.Key("base", treeOf(one), epoch)
		if first == second || second != again || back == second || back == first {
			t.Errorf("%s: keys %s, %s, %s, %s", name, first, second, again, back)
		}
	}
}

// Files of one size and time still differ by their paths or the names of their trees.
func TestTransfersTellPathsApart(t *testing.T) {
	t.Parallel()
	one, other := findCollision(t)
	transfers := newTransfers(t.TempDir())
	both := map[string]*Tree{
		"context":    FromFiles(map[string][]byte{"f": []byte(one), "g": []byte(other)}),
		"dockerfile": FromFiles(map[string][]byte{"f": []byte(other)}),
	}
	if first := transfers.Key("base", both, nil); transfers.Key("base", both, nil) != first {
		t.Error("two files share an identity")
	}
}

func TestDamagedTransfersBeginAgain(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(path string) error{
		"gone":  os.Remove,
		"empty": func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"without header": func(path string) error {
			return os.WriteFile(path, []byte(strings.Repeat("x", 500)), 0o600)
		},
		"without a tail": func(path string) error {
			return os.Truncate(path, int64(len(transfersHeader)+secretLength+recordLength-1))
		},
		"without secret": func(path string) error { return os.Truncate(path, int64(len(transfersHeader)+3)) },
		"much too long":  func(path string) error { return os.Truncate(path, 1<<40) },
		"a link": func(path string) error {
			return replaceWith(path, func() error { return os.Symlink("/dev/zero", path) })
		},
		"a folder": func(path string) error {
			return replaceWith(path, func() error { return os.Mkdir(path, 0o700) })
		},
		"written by many": func(path string) error { return os.Chmod(path, 0o666) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			transfers := newTransfers(t.TempDir())
			first := transfers.Key("base", treeOf("1"), nil)
			files, err := filepath.Glob(filepath.Join(transfers.dir, "*"))
			if err != nil || len(files) != 1 {
				t.Fatal(files, err)
			}
			if err := damage(files[0]); err != nil {
				t.Fatal(err)
			}
			second := transfers.Key("base", treeOf("1"), nil)
			if second == first {
				t.Error("after the damage the key is still the same")
			}
			if third := transfers.Key("base", treeOf("1"), nil); (third == second) == (name == "a folder") {
				t.Errorf("then the key is %s after %s", third, second)
			}
		})
	}
}

func replaceWith(path string, put func() error) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return put()
}

func TestTransfersWithoutAFolder(t *testing.T) {
	t.Parallel()
	for _, transfers := range []*Transfers{nil, newTransfers("/dev/null/nowhere")} {
		first := transfers.Key("base", treeOf("1"), nil)
		if transfers.Key("base", treeOf("1"), nil) == first {
			t.Error("a second transfer has the same key, although the first was not recorded")
		}
	}
}

// Records of files that no longer exist do not pile up for ever.
func TestTransfersForgetOldRecords(t *testing.T) {
	t.Parallel()
	transfers := newTransfers(t.TempDir())
	keys := map[string]bool{}
	for i := range 4 {
		files := map[string][]byte{}
		for j := range transfersPast / 2 {
			files[fmt.Sprint(j)] = fmt.Appendf(nil, "%d", i)
		}
		keys[transfers.Key("base", map[string]*Tree{"context": FromFiles(files)}, nil)] = true
		keys[transfers.Key("base", treeOf(fmt.Sprint(i)), nil)] = true
	}
	if len(keys) < 2 {
		t.Error("every record is kept")
	}
}

// Colliding files never get one key, also in builds at the same time.
func TestConcurrentTransfers(t *testing.T) {
	t.Parallel()
	one, other := findCollision(t)
	for range 30 {
		dir := t.TempDir()
		newTransfers(dir).Key("base", treeOf("there before"), nil)
		var mu sync.Mutex
		contents := map[string][sha256.Size]byte{}
		var all sync.WaitGroup
		for i := range 8 {
			text := []string{one, other}[i%2]
			all.Go(func() {
				key := newTransfers(dir).Key("base", treeOf(text), nil)
				mu.Lock()
				defer mu.Unlock()
				sum := sha256.Sum256([]byte(text))
				if before, ok := contents[key]; ok && before != sum {
					t.Errorf("two files that look the same have one key")
				}
				contents[key] = sum
			})
		}
		all.Wait()
	}
}

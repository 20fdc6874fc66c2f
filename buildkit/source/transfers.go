package source

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/canon"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// Transfers remembers on this machine which contents daemons may have received. Two files that a daemon cannot tell
// apart are never sent under one key. The package comment says why.
//
// Each base key has a file of its own: a header, 32 random bytes that become part of the key, and one record for each
// file that was sent. Records are appended before anything is sent, and compared with all others after that. Of two
// processes that do so at the same time, at least one sees the other's records.
//
// A file of Transfers that is damaged, missing or cannot be written costs a new key, and with it one transfer of
// everything, but never a wrong file.
type Transfers struct{ dir string }

// Bounds of Transfers: files and bytes in all. A file with more records than transfersPast of files that no longer
// exist begins anew.
const (
	transfersFiles = 4000
	transfersBytes = 1 << 30
	transfersPast  = 1 << 14
)

const transfersHeader = "pulumi-buildkit transfers v1\n"

// secretLength is the number of random bytes of a key.
const secretLength = 32

var (
	errDamagedTransfers = errors.New("no record of transfers")
	errConflict         = errors.New("another file with the same stat was sent before")
)

// newTransfers returns Transfers in dir, which is made with mode 0700.
func newTransfers(dir string) *Transfers { return &Transfers{dir: dir} }

// UserTransfers returns the Transfers in the user's cache folder, or nil if the user has none.
func UserTransfers() *Transfers {
	base, err := private.CacheFolder()
	if err != nil {
		return nil
	}
	return newTransfers(filepath.Join(base, "transfers"))
}

// Key returns the key under which a daemon is to keep what it receives of the trees. The trees are by the names of
// their local sources.
//
// For an equal base the key stays the same until a file has the stat, but not the content, of one that was sent under
// it. Nil Transfers return a new key each time.
func (t *Transfers) Key(base string, trees map[string]*Tree, epoch *int64) string {
	secret, err := t.claim(base, sentFiles(trees, epoch))
	if err != nil {
		secret = newSecret()
	}
	h := sha256.New()
	canon.WriteField(h, []byte(base))
	canon.WriteField(h, secret)
	return "pulumi-buildkit:" + hex.EncodeToString(h.Sum(nil))
}

func newSecret() []byte {
	secret := make([]byte, secretLength)
	_, _ = rand.Read(secret) // ends the process rather than fail
	return secret
}

// identity is a digest of all that a daemon compares of a file, and of its path. It may be short: two identities that
// are equal by chance or by intent cost a new key.
type identity [16]byte

type content [sha256.Size]byte

// sentFile is a file that is about to be sent.
type sentFile struct {
	content  content
	recorded bool
}

const recordLength = len(identity{}) + len(content{})

// sentFiles returns the regular files of the trees.
func sentFiles(trees map[string]*Tree, epoch *int64) map[identity]sentFile {
	total := 0
	for _, tree := range trees {
		total += len(tree.entries)
	}
	files := make(map[identity]sentFile, total)
	var field []byte
	for name, tree := range trees {
		for i := range tree.entries {
			e := &tree.entries[i]
			if !e.mode.IsRegular() {
				continue
			}
			field = canon.AppendField(canon.AppendField(field[:0], name), e.path)
			field = binary.BigEndian.AppendUint64(field, uint64(e.size))
			field = binary.BigEndian.AppendUint64(field, uint64(e.modTime(epoch)))
			field = binary.BigEndian.AppendUint32(field, uint32(e.mode))
			sum := sha256.Sum256(field)
			files[identity(sum[:len(identity{})])] = sentFile{content: content(e.sum)}
		}
	}
	return files
}

// claim records the files and returns the secret of the key under which they can be sent. The error is about the disk.
func (t *Transfers) claim(base string, files map[identity]sentFile) ([]byte, error) {
	if t == nil {
		return nil, fs.ErrNotExist
	}
	dir, err := private.Open(t.dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	sum := sha256.Sum256([]byte(base))
	name := hex.EncodeToString(sum[:])
	secret, err := join(dir, name, files)
	if err != nil {
		secret, err = begin(dir, name, files)
	}
	dir.KeepAbout(transfersFiles, transfersBytes)
	return secret, err
}

// begin puts a file with a new secret in place of whatever had the name, and returns the secret.
func begin(dir *private.Folder, name string, files map[identity]sentFile) ([]byte, error) {
	for id, f := range files {
		files[id] = sentFile{content: f.content}
	}
	secret := newSecret()
	return secret, dir.Write(name, slices.Concat([]byte(transfersHeader), secret, encodeUnrecorded(files)))
}

// join adds the records of the files to an existing file of Transfers, and returns its secret. It returns errConflict
// when another content was sent with the stat of one of them. It returns errDamagedTransfers when the file cannot be
// read or has too many records of files that no longer exist.
func join(dir *private.Folder, name string, files map[identity]sentFile) (secret []byte, err error) {
	f, err := dir.OpenAppend(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	limit := int64(recordLength) * int64(4*len(files)+transfersPast)
	data, err := readUpTo(f, limit)
	if err != nil {
		return nil, err
	}
	records, ok := bytes.CutPrefix(data, []byte(transfersHeader))
	if !ok || len(records) < secretLength {
		return nil, errDamagedTransfers
	}
	secret, records = bytes.Clone(records[:secretLength]), records[secretLength:]
	if err := markRecorded(records, files); err != nil {
		return nil, err
	}
	unrecorded := encodeUnrecorded(files)
	if len(unrecorded) == 0 {
		return secret, nil
	}
	if _, err := f.Write(unrecorded); err != nil {
		return nil, err
	}
	since, err := io.ReadAll(io.NewSectionReader(f, int64(len(data)), math.MaxInt64-limit))
	if err != nil {
		return nil, err
	}
	return secret, markRecorded(since, files)
}

// readUpTo returns the content of f. It returns errDamagedTransfers for more bytes than limit.
func readUpTo(f *os.File, limit int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, errDamagedTransfers
	}
	data := make([]byte, info.Size())
	_, err = io.ReadFull(f, data)
	return data, err
}

// markRecorded marks the files that are among the records. It returns errConflict when a record has other content.
func markRecorded(records []byte, files map[identity]sentFile) error {
	if len(records)%recordLength != 0 {
		return errDamagedTransfers // also while another process is writing
	}
	for ; len(records) > 0; records = records[recordLength:] {
		id := identity(records)
		f, ok := files[id]
		if !ok {
			continue
		}
		if f.content != content(records[len(id):]) {
			return errConflict
		}
		f.recorded = true
		files[id] = f
	}
	return nil
}

// encodeUnrecorded returns the records of the files that have none yet.
func encodeUnrecorded(files map[identity]sentFile) []byte {
	n := 0
	for _, f := range files {
		if !f.recorded {
			n++
		}
	}
	records := make([]byte, 0, n*recordLength)
	for id, f := range files {
		if !f.recorded {
			records = append(append(records, id[:]...), f.content[:]...)
		}
	}
	return records
}

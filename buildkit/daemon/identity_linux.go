package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// identityFormat must be raised when a keeper begins to do something else with the same programs and configuration.
const identityFormat = 2

// identity returns the comments at the beginning of a daemon's configuration: the digests of its programs. With these
// comments, two daemons are the same if and only if their configurations are.
func identity(s setup, programs digests) string {
	text := fmt.Sprintf("# format %d\n", identityFormat)
	for _, path := range s.programs() {
		text += fmt.Sprintf("# %s sha256:%s\n", filepath.Base(path), programs[path].SHA256)
	}
	return text
}

// answer says which daemon answers on the socket of a folder.
type answer int

const (
	noAnswer      answer = iota
	wantedDaemon         // the daemon is the one that this client would start
	otherDaemon          // the daemon is of another version or configuration
	damagedDaemon        // a build has met damage in the daemon's build cache
)

// String returns the answer in words.
func (a answer) String() string {
	switch a {
	case wantedDaemon:
		return "it is the one to join"
	case otherDaemon:
		return "it is of another version or configuration"
	case damagedDaemon:
		return "its build cache is damaged"
	}
	return "it does not answer"
}

// compareDaemon asks whether a daemon answers, and compares its configuration with the one that this client would
// write.
//
// Each keeper writes the configuration before its daemon can answer. Releases before the identity do that too. So the
// file belongs to the daemon that answered.
func compareDaemon(ctx context.Context, s setup) (answer, error) {
	if !isReady(ctx, s.daemonFolder) {
		return noAnswer, nil
	}
	want, err := s.configuration()
	if err != nil {
		return noAnswer, err
	}
	have, err := s.Read(configFile, file.LimitText)
	if s.isDamaged() {
		return damagedDaemon, nil
	}
	if err == nil && withoutSizes(string(have)) == withoutSizes(want) {
		return wantedDaemon, nil
	}
	return otherDaemon, nil
}

// digests are the digests of programs, by path. They are remembered because a digest of 60 MB takes 0.1 s, which is too
// long for each build.
type digests map[string]digest

type digest struct {
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	Size   int64  `json:"size"`
	MTime  int64  `json:"mtime"`
	CTime  int64  `json:"ctime"`
	SHA256 string `json:"sha256"`
}

// readDigests returns the digests that a client or an earlier keeper wrote. It returns none if the file is missing or
// damaged: they are computed again then.
func readDigests(f daemonFolder) digests {
	text, err := f.Read(digestFile, file.LimitText)
	known := digests{}
	if err == nil && json.Unmarshal(text, &known) != nil {
		return digests{}
	}
	return known
}

// findDigests returns the digests of the programs.
func (s setup) findDigests() (digests, error) {
	known, found := readDigests(s.daemonFolder), digests{}
	for _, path := range s.programs() {
		d, err := known.find(path)
		if err != nil {
			return nil, err
		}
		found[path] = d
	}
	return found, nil
}

// writeDigests writes the digests of the programs to a file of the folder.
func (s setup) writeDigests(programs digests) error {
	stable := maps.Clone(programs)
	maps.DeleteFunc(stable, func(_ string, d digest) bool {
		// A file that was changed this moment could change once more and look the same.
		return time.Since(time.Unix(0, d.CTime)) <= 2*time.Second
	})
	if maps.Equal(readDigests(s.daemonFolder), stable) {
		return nil
	}
	text, err := json.MarshalIndent(stable, "", "  ")
	if err != nil {
		return err
	}
	return s.Write(digestFile, text)
}

// find returns the digest of the file at path. It reads the file unless its digest is known and the file has not
// changed.
func (d digests) find(path string) (digest, error) {
	f, err := os.Open(path)
	if err != nil {
		return digest{}, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return digest{}, err
	}
	stat := info.Sys().(*syscall.Stat_t)
	now := digest{
		Device: stat.Dev, Inode: stat.Ino, Size: stat.Size, MTime: stat.Mtim.Nano(), CTime: stat.Ctim.Nano(),
		SHA256: strings.ToLower(d[path].SHA256),
	}
	if now == d[path] && now.SHA256 != "" {
		return now, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return digest{}, err
	}
	now.SHA256 = hex.EncodeToString(h.Sum(nil))
	return now, nil
}

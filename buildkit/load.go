package buildkit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/moby/patternmatcher/ignorefile"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// Files names what a build reads from this machine.
type Files struct {
	Context    string            // directory of the main build context
	Named      map[string]string // directories of the named contexts
	Dockerfile string            // path of the Dockerfile; "" when Inline is the text
	Inline     []byte
}

// Inputs are the recorded local inputs of a build: exactly what is hashed and exactly what is sent.
type Inputs struct {
	Name       string // of the Dockerfile, as errors show it
	Dockerfile []byte
	Ignore     []byte // the ignore file in force for the main context; nil when there is none
	Context    *source.Tree
	Named      map[string]*source.Tree
	key        string // one for each machine and set of directories; see Key
}

// Load reads and records the local inputs of a build. Each context is taken by its own ignore file: the main one by
// <Dockerfile>.dockerignore or, when there is none, by .dockerignore in its root; a named one by its own .dockerignore.
//
// Errors name the path that could not be read.
func Load(ctx context.Context, files Files) (*Inputs, error) {
	in := &Inputs{Name: "Dockerfile", Dockerfile: files.Inline, Named: map[string]*source.Tree{}, key: sharedKey(files)}
	if files.Dockerfile != "" {
		text, err := os.ReadFile(files.Dockerfile)
		if err != nil {
			return nil, err
		}
		in.Name, in.Dockerfile = filepath.Base(files.Dockerfile), text
	}
	var err error
	if in.Ignore, err = readIgnore(files); err != nil {
		return nil, err
	}
	if in.Context, err = scan(ctx, files.Context, in.Ignore); err != nil {
		return nil, err
	}
	for name, dir := range files.Named {
		ignore, err := readOptional(filepath.Join(dir, ".dockerignore"))
		if err != nil {
			return nil, err
		}
		if in.Named[name], err = scan(ctx, dir, ignore); err != nil {
			return nil, err
		}
	}
	return in, nil
}

func readIgnore(files Files) ([]byte, error) {
	if files.Dockerfile != "" {
		if own, err := readOptional(files.Dockerfile + ".dockerignore"); err != nil || own != nil {
			return own, err
		}
	}
	return readOptional(filepath.Join(files.Context, ".dockerignore"))
}

// readOptional reads a file that need not exist: nil then, and never nil for an empty one.
func readOptional(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return append([]byte{}, data...), nil
}

func scan(ctx context.Context, dir string, ignore []byte) (*source.Tree, error) {
	patterns, err := ignorefile.ReadAll(bytes.NewReader(ignore))
	if err != nil {
		return nil, fmt.Errorf("ignore file of %s: %w", dir, err)
	}
	return source.Scan(ctx, dir, source.Scope{Excludes: patterns}, source.Options{Cache: source.UserCache()})
}

// Hash is the digest of the local inputs, 64 hexadecimal digits: the text of the Dockerfile, the tree of the main context
// and, by name, those of the named contexts. It is the same on every machine and in every checkout.
func (in *Inputs) Hash() string {
	h := sha256.New()
	source.WriteField(h, []byte("pulumi-buildkit inputs v1"))
	source.WriteField(h, in.Dockerfile)
	tree := in.Context.Digest()
	source.WriteField(h, tree[:])
	for _, name := range slices.Sorted(maps.Keys(in.Named)) {
		tree := in.Named[name].Digest()
		source.WriteField(h, []byte(name))
		source.WriteField(h, tree[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// sharedKey tells a daemon which earlier transfer to compare a new one with: the one from the same directories of the same
// machine. With an empty key it would take another project's.
func sharedKey(files Files) string {
	h := sha256.New()
	host, _ := os.Hostname() // without a name the paths alone still tell projects apart
	source.WriteField(h, []byte(host))
	dirs := []string{files.Context}
	for _, name := range slices.Sorted(maps.Keys(files.Named)) {
		dirs = append(dirs, name, files.Named[name])
	}
	for _, dir := range dirs {
		if abs, err := filepath.Abs(dir); err == nil {
			dir = abs
		}
		source.WriteField(h, []byte(dir))
	}
	return "pulumi-buildkit:" + hex.EncodeToString(h.Sum(nil))
}

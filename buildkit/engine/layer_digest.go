package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// layerFolder is the folder, in the provider's cache, that holds the digests of layers.
const layerFolder = "builder-layers"

// settleTime is how old a program must be for its digest to be kept. A younger one may change and look the same.
const settleTime = 2 * time.Second

// layerDigest returns the digest of the layer. It reads the programs, 90 MB, only if they have changed since the last
// time: this takes a fifth of a second, and each update needs the digest.
func (i *builderImage) layerDigest() (string, error) {
	fingerprint, settled := i.fingerprint()
	folder := openLayerFolder()
	if folder != nil {
		defer func() { _ = folder.Close() }()
		text, err := folder.Read(i.arch, file.LimitText)
		known, digest, ok := strings.Cut(string(text), " ")
		if err == nil && ok && settled && known == fingerprint {
			return digest, nil
		}
	}
	sum := sha256.New()
	if err := i.writeLayer(sum); err != nil {
		return "", err
	}
	digest := "sha256:" + hex.EncodeToString(sum.Sum(nil))
	if folder != nil && settled {
		_ = folder.Write(i.arch, []byte(fingerprint+" "+digest)) // without it the next update reads the programs
	}
	return digest, nil
}

// openLayerFolder opens the folder of the digests. It returns nil if that cannot be used.
func openLayerFolder() *private.Folder {
	cache, err := private.CacheFolder()
	if err != nil {
		return nil
	}
	folder, err := private.Open(filepath.Join(cache, layerFolder))
	if err != nil {
		return nil
	}
	return folder
}

// headSize is how much of a program fingerprint reads. The build ID of Go, which stands for the content, is in it.
const headSize = 64 << 10

// fingerprint returns a hash of what tells that the layer has not changed: the content of small files, and the path,
// size, time and beginning of each program. settled is false if a program was changed a moment ago.
func (i *builderImage) fingerprint() (hash string, settled bool) {
	sum, settled := sha256.New(), true
	for _, e := range i.entries {
		_, _ = fmt.Fprintf(sum, "%q %o %x %q", e.name, e.mode, sha256.Sum256(e.content), e.path)
		if e.path == "" {
			continue
		}
		changed, err := writeProgram(sum, e.path)
		if err != nil {
			return "", false
		}
		settled = settled && time.Since(changed) > settleTime
	}
	return hex.EncodeToString(sum.Sum(nil)), settled
}

// writeProgram writes the size, time and beginning of a program, and returns its time.
func writeProgram(w io.Writer, path string) (changed time.Time, err error) {
	f, err := file.Open(path)
	if err != nil {
		return time.Time{}, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return time.Time{}, err
	}
	_, _ = fmt.Fprintf(w, " %d %d ", info.Size(), info.ModTime().UnixNano()) // a hash takes everything
	_, err = io.Copy(w, io.LimitReader(f, headSize))
	return info.ModTime(), err
}

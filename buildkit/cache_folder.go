package buildkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/containerd/containerd/v2/core/content"
	contentlocal "github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// cacheStore is a folder with a cache. It reads only regular files in the folder, even if there are links.
type cacheStore struct {
	content.Store
	root *os.Root
	stop func(error) error // remembers why a blob could not be written; nil if the build goes on without the cache
}

// cacheStoreName returns the name by which the daemon asks for the folder of a cache.
func cacheStoreName(dir string) string { return "local:" + dir }

// openStore returns the store of the folder at dir. It opens the folder once, for both reading and writing.
func (s *solve) openStore(dir string, open func(string) (*os.Root, error)) (*cacheStore, error) {
	if known := s.stores[cacheStoreName(dir)]; known != nil {
		return known, nil
	}
	root, err := open(dir)
	if err != nil {
		return nil, err
	}
	if err := checkCacheFolder(root); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	local, err := contentlocal.NewStore(root.Name())
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	if s.stores == nil {
		s.stores = map[string]*cacheStore{}
	}
	store := &cacheStore{Store: local, root: root}
	s.stores[cacheStoreName(dir)] = store
	return store, nil
}

// openCache opens the folder of a cache and returns the digest that its index has under the cache's tag. It returns
// fs.ErrNotExist if there is no cache.
func (s *solve) openCache(ctx context.Context, c Cache) (string, error) {
	dir := c.Options["src"]
	store, err := s.openStore(dir, s.plan.Files.ProjectBounds().OpenRoot)
	if err != nil {
		return "", err
	}
	if known := c.Options["digest"]; known != "" {
		return known, nil
	}
	text, err := store.read(ctx, ocispecs.ImageIndexFile)
	if err != nil {
		return "", err
	}
	tag := "latest"
	if given, ok := c.Options["tag"]; ok {
		tag = given
	}
	found, err := findTag(text, tag)
	if err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Join(dir, ocispecs.ImageIndexFile), err)
	}
	return found, nil
}

// imageName is the annotation for which containerd looks first, before that of OCI.
const imageName = "io.containerd.image.name"

var errNoCacheIndex = errors.New("it is not the index of a cache")

// findTag returns the digest that an index has under a tag. The errors show nothing of the text.
func findTag(text []byte, tag string) (string, error) {
	var index ocispecs.Index
	if json.Unmarshal(text, &index) != nil {
		return "", errNoCacheIndex
	}
	for _, name := range []string{imageName, ocispecs.AnnotationRefName} {
		for _, m := range index.Manifests {
			if value, ok := m.Annotations[name]; ok && value == tag {
				return m.Digest.String(), nil
			}
		}
	}
	return "", fmt.Errorf("there is no cache with the tag %q in it", tag)
}

// checkCacheFolder looks at the files and folders that BuildKit's client and containerd's store open, write and make.
// It returns a *CacheFileError for a link or any other kind of file, and a *file.TooLargeError for a long text.
func checkCacheFolder(root *os.Root) error {
	kinds := map[string]fs.FileMode{
		"ingest": fs.ModeDir, "blobs": fs.ModeDir, "blobs/sha256": fs.ModeDir,
		"index.json": 0, "index.json.lock": 0, "oci-layout": 0,
	}
	for _, name := range slices.Sorted(maps.Keys(kinds)) { // a folder before what is in it
		want := kinds[name]
		info, err := root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		path := filepath.Join(root.Name(), name)
		switch {
		case err != nil:
			return err
		case info.Mode().Type() != want:
			return &CacheFileError{Path: path}
		case want == 0 && info.Size() > file.LimitText:
			return &fs.PathError{Op: "read", Path: path, Err: &file.TooLargeError{Limit: file.LimitText}}
		}
	}
	return nil
}

// read returns the text of a file.
func (s *cacheStore) read(ctx context.Context, name string) ([]byte, error) {
	f, err := file.Within(s.root, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return file.ReadAll(ctx, f, file.LimitText)
}

// open opens the blob with this digest.
func (s *cacheStore) open(d digest.Digest) (*blob, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	f, err := file.Within(s.root, filepath.Join(ocispecs.ImageBlobsDir, d.Algorithm().String(), d.Encoded()))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &blob{File: f, info: info}, nil
}

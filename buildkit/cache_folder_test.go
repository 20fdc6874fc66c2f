//go:build unix

package buildkit

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// A cache in a folder is read in that folder only. An error about a file in there does not show its text.
func TestForeignCacheFolder(t *testing.T) {
	t.Parallel()
	const index = `{"manifests":[{"digest":"sha256:DIGEST",` +
		`"annotations":{"org.opencontainers.image.ref.name":"latest"}}]}`
	sum := strings.TrimPrefix(string(digest.FromString("blob")), "sha256:")
	for name, plant := range map[string]struct {
		do   func(dir string) error
		says string
	}{
		"nothing odd":     {do: func(string) error { return nil }},
		"index a link":    {do: linkTo("index.json", "/proc/self/environ"), says: "index.json: it is a link"},
		"index a FIFO":    {do: fifoAt("index.json"), says: "index.json: it is a link or another kind of file"},
		"index not JSON":  {do: textAt("index.json", "CANARY"), says: "it is not the index of a cache"},
		"index too large": {do: sparseAt("index.json"), says: "it has more than"},
		"another tag":     {do: textAt("index.json", `{}`), says: `no cache with the tag "latest"`},
		"blobs a link":    {do: linkTo("blobs", "/etc"), says: "blobs: it is a link"},
		"lock a FIFO":     {do: fifoAt("index.json.lock"), says: "index.json.lock: it is a link or another"},
		"blob a link":     {do: linkTo("blobs/sha256/"+sum, "../../../secret"), says: "not found"},
		"blob a FIFO":     {do: fifoAt("blobs/sha256/" + sum), says: "it is a FIFO"},
	} {
		top := t.TempDir()
		dir := filepath.Join(top, "cache")
		writeFiles(t, top, map[string]string{
			"secret": "CANARY", "cache/index.json": strings.Replace(
				index, "DIGEST", sum, 1,
			), "cache/blobs/sha256/" + sum: "blob",
		})
		if err := plant.do(dir); err != nil {
			t.Fatal(err)
		}
		s := newSolve(inputs.Plan{}, &inputs.Inputs{}, nil, func(Event) {})
		_, err := s.openCache(t.Context(), Cache{Type: "local", Options: map[string]string{"src": dir}})
		if err == nil {
			err = readBlob(t.Context(), s.stores[cacheStoreName(dir)], digest.FromString("blob"))
		}
		if plant.says == "" && err != nil ||
			plant.says != "" && (err == nil || !strings.Contains(err.Error(), plant.says)) {
			t.Errorf("%s: error %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: the error shows the text: %v", name, err)
		}
	}
}

func readBlob(ctx context.Context, store *cacheStore, d digest.Digest) error {
	if _, err := store.Info(ctx, d); err != nil {
		return err
	}
	r, err := store.ReaderAt(ctx, ocispecs.Descriptor{Digest: d})
	if err != nil {
		return err
	}
	text := make([]byte, r.Size())
	_, err = r.ReadAt(text, 0)
	if string(text) != "blob" {
		err = errors.Join(err, errors.New("another text"))
	}
	return errors.Join(err, r.Close())
}

func linkTo(name, text string) func(string) error {
	return func(dir string) error {
		return errors.Join(os.RemoveAll(filepath.Join(dir, name)), os.Symlink(text, filepath.Join(dir, name)))
	}
}

func fifoAt(name string) func(string) error {
	return func(dir string) error {
		_ = os.RemoveAll(filepath.Join(dir, name))
		return unix.Mkfifo(filepath.Join(dir, name), 0o600)
	}
}

func textAt(name, text string) func(string) error {
	return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600) }
}

func sparseAt(name string) func(string) error {
	return func(dir string) error { return os.Truncate(filepath.Join(dir, name), file.LimitText+1) }
}

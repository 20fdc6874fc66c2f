//go:build linux

package stack

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// PushBusybox pushes a base image for amd64 and arm64 to HOST/busybox:latest and returns that reference. It makes the
// image of the fixtures (make fixtures) and runs nothing, because the applets are links.
func PushBusybox(ctx context.Context, fixtures, host string) (string, error) {
	applets, err := applets(ctx, filepath.Join(fixtures, "busybox-"+runtime.GOARCH, "busybox"))
	if err != nil {
		return "", err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range []string{"amd64", "arm64"} {
		binary, err := os.ReadFile(filepath.Join(fixtures, "busybox-"+arch, "busybox"))
		if err != nil {
			return "", fmt.Errorf("%w: make fixtures fetches it", err)
		}
		image, err := busyboxImage(arch, binary, applets)
		if err != nil {
			return "", err
		}
		platform := &v1.Platform{OS: "linux", Architecture: arch}
		index = mutate.AppendManifests(index,
			mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: platform}})
	}
	tag, err := name.NewTag(host + "/busybox:latest")
	if err != nil {
		return "", err
	}
	return tag.Name(), remote.WriteIndex(tag, index, remote.WithContext(ctx))
}

// applets returns the names of the commands that busybox has.
func applets(ctx context.Context, busybox string) ([]string, error) {
	list, err := exec.CommandContext(ctx, busybox, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("list the applets of %s, which make fixtures fetches: %w", busybox, err)
	}
	return strings.Fields(string(list)), nil
}

// busyboxImage returns an image of one layer.
func busyboxImage(arch string, binary []byte, applets []string) (v1.Image, error) {
	var archive bytes.Buffer
	if err := writeRoot(tar.NewWriter(&archive), binary, applets); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archive.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	base := mutate.MediaType(mutate.ConfigMediaType(empty.Image, types.OCIConfigJSON), types.OCIManifestSchema1)
	base, err = mutate.ConfigFile(base, &v1.ConfigFile{
		OS: "linux", Architecture: arch, RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{Env: []string{"PATH=/bin"}, Cmd: []string{"sh"}},
	})
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(base, layer)
}

// writeRoot writes the smallest root file system in which a shell script runs.
func writeRoot(w *tar.Writer, busybox []byte, applets []string) error {
	accounts := "root:x:0:0:root:/root:/bin/sh\n"
	entries := []tar.Header{
		{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "root/", Typeflag: tar.TypeDir, Mode: 0o700},
		{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777},
		{Name: "etc/passwd", Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(accounts))},
		{Name: "bin/busybox", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(busybox))},
	}
	for _, applet := range applets {
		if applet != "busybox" {
			entries = append(entries, tar.Header{Name: "bin/" + applet, Typeflag: tar.TypeSymlink, Linkname: "busybox",
				Mode: 0o777})
		}
	}
	content := map[string][]byte{"etc/passwd": []byte(accounts), "bin/busybox": busybox}
	for _, entry := range entries {
		if err := w.WriteHeader(&entry); err != nil {
			return err
		}
		if _, err := w.Write(content[entry.Name]); err != nil {
			return err
		}
	}
	return w.Close()
}

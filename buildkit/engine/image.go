package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/inside"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/shipped"
)

// builderImage is the image of our BuildKit, made of the programs that ship with the plugin. It is one layer.
type builderImage struct {
	arch    string // as "amd64"
	entries []entry
	layer   string // "sha256:…" of the layer
}

// entry is a file or, if its name ends in a slash, a folder of the image.
type entry struct {
	name    string
	mode    int64
	content []byte // nil: the content of the file at path
	path    string
}

const (
	programFolder = "usr/local/bin/"
	authorityFile = "etc/ssl/certs/ca-certificates.crt"
)

// newBuilderImage finds the programs for an architecture and computes the digest of the layer. It returns a
// *shipped.MissingError if a program was not shipped.
func newBuilderImage(ctx context.Context, arch string) (*builderImage, error) {
	programs, err := shipped.Find(arch, programs...)
	if err != nil {
		return nil, err
	}
	authorities, err := readAuthorities(ctx)
	if err != nil {
		return nil, err
	}
	i := &builderImage{arch: arch, entries: []entry{
		{name: "etc/", mode: 0o755}, {name: "etc/ssl/", mode: 0o755}, {name: "etc/ssl/certs/", mode: 0o755},
		{name: "etc/passwd", mode: 0o644, content: []byte("root:x:0:0:root:/root:/sbin/nologin\n")},
		{name: authorityFile, mode: 0o644, content: authorities},
		{name: "root/", mode: 0o700}, {name: "run/", mode: 0o755}, {name: "tmp/", mode: 0o1777},
		{name: "usr/", mode: 0o755}, {name: "usr/local/", mode: 0o755}, {name: programFolder, mode: 0o755},
	}}
	for _, p := range programs {
		i.entries = append(i.entries, entry{name: programFolder + filepath.Base(p), mode: 0o755, path: p})
	}
	i.layer, err = i.layerDigest()
	if err != nil {
		return nil, err
	}
	return i, nil
}

// machineAuthorities are the files in which Linux distributions keep the certificate authorities that they trust.
var machineAuthorities = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
}

// readAuthorities returns the certificate authorities that this machine trusts. If they are in no file, it returns
// those that Mozilla trusts.
func readAuthorities(ctx context.Context) ([]byte, error) {
	for _, name := range slices.Concat([]string{os.Getenv("SSL_CERT_FILE")}, machineAuthorities) {
		if name == "" {
			continue
		}
		content, err := file.Read(ctx, name, file.LimitText)
		if err == nil {
			return content, nil
		}
		if !os.IsNotExist(err) {
			return nil, fmt.Errorf("the certificates of authorities: %w", err)
		}
	}
	var text bytes.Buffer
	for root := range bundle.Roots() {
		_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // to memory
	}
	return text.Bytes(), nil
}

// key identifies the content of the image.
func (i *builderImage) key() string { return i.layer[len("sha256:"):][:12] }

// ref returns the name of the image in the engine.
func (i *builderImage) ref() string { return "pulumi-buildkit/builder:" + i.key() }

// writeLayer writes the layer. The bytes are always the same for the same files.
func (i *builderImage) writeLayer(w io.Writer) error {
	out := tar.NewWriter(w)
	for _, e := range i.entries {
		if err := e.write(out); err != nil {
			return err
		}
	}
	return out.Close()
}

func (e entry) write(out *tar.Writer) error {
	header := &tar.Header{
		Name: e.name, Mode: e.mode, Size: int64(len(e.content)), Typeflag: tar.TypeReg, Format: tar.FormatPAX,
	}
	if e.name[len(e.name)-1] == '/' {
		header.Typeflag = tar.TypeDir
	}
	if e.path == "" {
		if err := out.WriteHeader(header); err != nil {
			return err
		}
		_, err := out.Write(e.content)
		return err
	}
	f, err := file.Open(e.path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header.Size = info.Size()
	if err := out.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.CopyN(out, f, header.Size)
	return err
}

// layerSize returns the number of bytes that writeLayer writes.
func (i *builderImage) layerSize() (int64, error) {
	var n counter
	err := i.writeLayer(&n)
	return int64(n), err
}

type counter int64

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

// writeArchive writes the image as "docker save" does.
func (i *builderImage) writeArchive(w io.Writer) error {
	config, err := json.Marshal(map[string]any{
		"architecture": i.arch, "os": "linux",
		"config": map[string]any{
			"Env":        []string{"PATH=/" + programFolder[:len(programFolder)-1], "HOME=/root"},
			"Entrypoint": []string{"/" + programFolder + inside.Program},
			"Volumes":    map[string]struct{}{inside.StateFolder: {}},
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{i.layer}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{
		"Config": "config.json", "RepoTags": []string{i.ref()}, "Layers": []string{"layer.tar"},
	}})
	if err != nil {
		return err
	}
	size, err := i.layerSize()
	if err != nil {
		return err
	}
	out := tar.NewWriter(w)
	for _, e := range []entry{
		{name: "manifest.json", mode: 0o644, content: manifest}, {name: "config.json", mode: 0o644, content: config},
	} {
		if err := e.write(out); err != nil {
			return err
		}
	}
	header := &tar.Header{Name: "layer.tar", Mode: 0o644, Size: size, Typeflag: tar.TypeReg}
	if err := out.WriteHeader(header); err != nil {
		return err
	}
	if err := i.writeLayer(out); err != nil {
		return err
	}
	return out.Close()
}

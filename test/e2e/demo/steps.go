//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

var architectures = []string{"amd64", "arm64"}

func (d *demo) tag() string { return d.repository + ":latest" }

func (d *demo) configure(ctx context.Context) error {
	root, err := goroot(ctx)
	if err != nil {
		return err
	}
	d.note("examples/go-server/Pulumi.yaml, copied to %s; its Dockerfile cross-compiles with the Go of this machine",
		d.stack.Dir)
	return errors.Join(
		d.pulumi(ctx, "config", "set", "repository", d.repository),
		d.pulumi(ctx, "config", "set", "goroot", root),
	)
}

func (d *demo) create(ctx context.Context) error {
	if err := d.pulumi(ctx, "up", "--yes"); err != nil {
		return err
	}
	if err := d.readOutputs(ctx); err != nil {
		return err
	}
	index, err := d.getIndex(ctx)
	if err != nil {
		return err
	}
	got, err := d.table(index)
	if err != nil {
		return err
	}
	if strings.Join(got, " ") != "linux/amd64 linux/arm64" {
		return fmt.Errorf("the index holds %v, asked for were linux/amd64 and linux/arm64", got)
	}
	d.check("%s serves the digest that the program got, with both platforms and nothing else", d.tag())
	return nil
}

func (d *demo) serve(ctx context.Context) error {
	for _, arch := range architectures {
		emulator, with := "", "natively"
		if arch != runtime.GOARCH {
			path, err := stack.Emulator(arch)
			if err != nil {
				d.note("- linux/%s is not run: %v", arch, err)
				continue
			}
			emulator, with = path, "under "+filepath.Base(path)
		}
		if err := d.checkAnswer(ctx, arch, emulator, with, "hello from linux/"+arch); err != nil {
			return err
		}
	}
	return nil
}

// checkAnswer runs the image of an architecture and checks the answer of its server.
func (d *demo) checkAnswer(ctx context.Context, arch, emulator, with, want string) error {
	answer, err := stack.RunServer(ctx, d.tag(), arch, emulator)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(answer, want) {
		return fmt.Errorf("linux/%s answers %q, not %q", arch, answer, want)
	}
	d.check("linux/%s, run %s, answers GET / with: %s", arch, with, strings.TrimSpace(answer))
	return nil
}

func (d *demo) repeat(ctx context.Context) error {
	if err := d.pulumi(ctx, "up", "--yes", "--expect-no-changes"); err != nil {
		return err
	}
	d.check("no change")
	return nil
}

func (d *demo) change(ctx context.Context) error {
	file := filepath.Join(d.stack.Dir, "routes.go")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	d.command("sed -i 's/hello/good day/' routes.go")
	if err := d.stack.Write("routes.go", strings.ReplaceAll(string(text), "hello", "good day")); err != nil {
		return err
	}
	digest, hash := d.digest, d.hash
	if err := d.pulumi(ctx, "up", "--yes", "--diff"); err != nil {
		return err
	}
	if err := d.readOutputs(ctx); err != nil {
		return err
	}
	if d.digest == digest || d.hash == hash {
		return fmt.Errorf("the source changed, but digest is %s, before %s, and contextHash %s, before %s", d.digest,
			digest, d.hash, hash)
	}
	d.check("one update, because contextHash changed; the tag is at %s", d.digest)
	return d.checkAnswer(ctx, runtime.GOARCH, "", "natively", "good day from linux/"+runtime.GOARCH)
}

func (d *demo) destroy(ctx context.Context) error {
	if err := d.pulumi(ctx, "destroy", "--yes"); err != nil {
		return err
	}
	_, err := d.getIndex(ctx)
	if refused := new(transport.Error); !errors.As(err, &refused) || refused.StatusCode != http.StatusNotFound {
		return fmt.Errorf("%s should be gone: %w", d.tag(), err)
	}
	d.check("%s is gone", d.tag())
	if err := errors.Join(d.stack.AwaitEnd(ctx), stack.AwaitDaemonEnd(ctx, d.stack.Daemon)); err != nil {
		return err
	}
	d.check("the plugin has ended, and after %s without use so have BuildKit's daemon and its keeper; no mount is left",
		idle)
	return nil
}

// readOutputs reads the outputs of the last update from the state, and compares them with the registry.
func (d *demo) readOutputs(ctx context.Context) error {
	resources, err := d.stack.Export()
	if err != nil {
		return err
	}
	if len(resources) != 1 {
		return fmt.Errorf("the state holds %d resources, want the one image", len(resources))
	}
	d.digest, _ = resources[0].Outputs["digest"].(string)
	d.hash, _ = resources[0].Outputs["contextHash"].(string)
	served, err := d.get(ctx)
	if err == nil && served.Digest.String() != d.digest {
		err = fmt.Errorf("the registry serves %s for %s, the output digest is %s", served.Digest, d.tag(), d.digest)
	}
	return err
}

// get returns what the registry serves for the tag.
func (d *demo) get(ctx context.Context) (*remote.Descriptor, error) {
	ref, err := name.ParseReference(d.tag())
	if err != nil {
		return nil, err
	}
	return remote.Get(ref, remote.WithContext(ctx))
}

// getIndex returns the index behind the tag.
func (d *demo) getIndex(ctx context.Context) (v1.ImageIndex, error) {
	served, err := d.get(ctx)
	if err != nil {
		return nil, err
	}
	return served.ImageIndex()
}

// table prints the index and returns its platforms.
func (d *demo) table(index v1.ImageIndex) ([]string, error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	rows := tabwriter.NewWriter(d, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintf(rows, "\nindex\t%s\t\n", d.digest) // Flush reports
	var platforms []string
	for _, child := range manifest.Manifests {
		size, err := pullSize(index, child.Digest)
		if err != nil {
			return nil, err
		}
		_, _ = fmt.Fprintf(rows, "  %s\t%s\t%.1f MB\n", child.Platform, child.Digest, float64(size)/1e6)
		platforms = append(platforms, child.Platform.String())
	}
	return platforms, rows.Flush()
}

// pullSize returns the number of bytes that a pull of the image fetches.
func pullSize(index v1.ImageIndex, digest v1.Hash) (int64, error) {
	image, err := index.Image(digest)
	if err != nil {
		return 0, err
	}
	manifest, err := image.Manifest()
	if err != nil {
		return 0, err
	}
	var size int64
	for _, layer := range manifest.Layers {
		size += layer.Size
	}
	return size, nil
}

package buildkit_test

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

func noCredentials(context.Context, string) (buildkit.Credential, error) {
	return buildkit.Credential{}, nil
}

// sameImage builds the project with this package and with BuildKit's own client, and compares the files of the images.
// Only this package's build uses the daemon's cache.
//
// If this package sends whole contexts, BuildKit's client does so too. An instruction may ask for less than it reads,
// as COPY */x does if x is a link. It then copies what it finds.
func (d differential) sameImage(ctx context.Context, p project, inputs *inputs.Inputs) error {
	repository := d.registry.Host() + "/image"
	p.plan.Repositories = []string{repository}
	built, err := buildkit.Solve(
		ctx, d.c, p.plan, inputs, buildkit.Access{Credentials: noCredentials}, func(buildkit.Event) {},
	)
	if err != nil {
		return fmt.Errorf("BuildKit builds it, we do not: %w", err)
	}
	ours, err := imageFiles(ctx, repository+"@"+built.Digest)
	if err != nil {
		return err
	}
	r := newRecorder(p.sources())
	r.whole = !inputs.Certain
	theirs, err := d.solveImage(ctx, p.oracleOptions(r))
	if err != nil {
		return err
	}
	if difference := diff(theirs, ours); difference != "" {
		return fmt.Errorf("other files in the image, BuildKit's -> ours:\n%s", difference)
	}
	return nil
}

// hasExcludes reports whether an instruction excludes some of the files that it asks for.
func (p project) hasExcludes() bool {
	dockerfile, err := os.ReadFile(p.plan.Files.Dockerfile)
	must(err)
	return strings.Contains(string(dockerfile), "--exclude=")
}

// judgeImages judges a case in which BuildKit receives something else and the hash is the same. The images must be
// equal. It makes the project before the change again from its seed.
func (d differential) judgeImages(ctx context.Context, seed uint64, after project, unequal verdict) verdict {
	root := after.root + "-before"
	must(os.Mkdir(root, 0o755))
	defer os.RemoveAll(root)
	before := newDice(seed).project(root)
	var images []record
	for _, p := range []project{before, after} {
		image, err := d.solveImage(ctx, p.oracleOptions(newRecorder(p.sources())))
		if err != nil {
			return failedCase(unequal.text, err)
		}
		images = append(images, image)
	}
	if difference := diff(images[0], images[1]); difference != "" {
		unequal.text += "other files in the image:\n" + difference
		return unequal
	}
	return verdict{kind: kindExcluded}
}

// solveImage solves with the daemon's own frontend, and returns the files of the image.
func (d differential) solveImage(ctx context.Context, opt client.SolveOpt) (record, error) {
	repository := d.registry.Host() + "/image"
	opt.Exports = []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{
		"name": repository, "push": "true", "push-by-digest": "true", "store": "false", "oci-mediatypes": "true",
	}}}
	response, err := d.c.Solve(ctx, nil, opt, nil)
	if err != nil {
		return nil, err
	}
	return imageFiles(ctx, repository+"@"+response.ExporterResponse["containerimage.digest"])
}

// imageFiles returns the files of an image, or of each image of an index. A line has the type, mode, owner, link,
// content and time in seconds.
func imageFiles(ctx context.Context, reference string) (record, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, err
	}
	described, err := remote.Get(ref, remote.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	files := record{}
	if !described.MediaType.IsIndex() {
		image, err := described.Image()
		if err != nil {
			return nil, err
		}
		return files, addFiles(files, "", image)
	}
	index, err := described.ImageIndex()
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, m := range manifest.Manifests {
		if m.Platform.OS == "unknown" { // the daemon's default provenance
			continue
		}
		image, err := index.Image(m.Digest)
		if err != nil {
			return nil, err
		}
		if err := addFiles(files, m.Platform.String(), image); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// addFiles adds the files of all layers, from the lowest to the highest. Whiteouts count as files.
func addFiles(files record, prefix string, image v1.Image) error {
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	for _, layer := range layers {
		if err := addLayer(files, prefix, layer); err != nil {
			return err
		}
	}
	return nil
}

func addLayer(files record, prefix string, layer v1.Layer) error {
	content, err := layer.Uncompressed()
	if err != nil {
		return err
	}
	defer content.Close()
	reader := tar.NewReader(content)
	for {
		h, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		hash := sha256.New()
		if _, err := io.Copy(hash, reader); err != nil {
			return err
		}
		place := path.Join(prefix, h.Name)
		if h.Typeflag == tar.TypeLink { // hard links are flattened on their way
			files[place] = files[path.Join(prefix, h.Linkname)]
			continue
		}
		capability := strings.TrimSpace(h.PAXRecords["SCHILY.xattr.security.capability"])
		files[place] = fmt.Sprintf(
			"%c %v %d:%d %q %x %x", h.Typeflag, h.FileInfo().Mode(), h.Uid, h.Gid, h.Linkname, hash.Sum(nil)[:6],
			capability,
		)
	}
}

func (p project) ignoreFiles() (files []string) {
	for _, dir := range p.sources() {
		files = append(files, filepath.Join(dir, ".dockerignore"))
	}
	slices.Sort(files)
	return slices.Compact(files)
}

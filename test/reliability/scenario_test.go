//go:build linux

package reliability

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// scenario is what a user does, up to the command that a fault happens to.
type scenario struct {
	name   string
	before []step // without a fault
	last   step
	builds bool // the last command asks the daemon for a build
}

// step is a command of Pulumi after a change of the program.
type step struct {
	command string
	kind    string // of the resource: Image or Index
	content string // what distinguishes the image; NEW stands for a content that nobody built before
	cache   bool   // whether it exports a build cache to the registry
}

// scenarios lists what the harness knows.
var scenarios = []scenario{
	{name: "create", last: upTo("Image", "NEW"), builds: true},
	{name: "update", before: []step{upTo("Image", "old")}, last: upTo("Image", "NEW"), builds: true},
	{name: "rollback", before: []step{upTo("Image", "first"), upTo("Image", "second")}, last: upTo("Image", "first")},
	{name: "refresh", before: []step{upTo("Image", "old")}, last: step{command: refresh, kind: "Image"}},
	{name: "destroy", before: []step{upTo("Image", "old")}, last: step{command: destroy, kind: "Image"}},
	{name: "cache-export", last: step{command: up, kind: "Image", content: "NEW", cache: true}, builds: true},
	{name: "index-create", last: upTo("Index", "NEW")},
	{name: "index-update", before: []step{upTo("Index", "old")}, last: upTo("Index", "NEW")},
	{name: "index-refresh", before: []step{upTo("Index", "old")}, last: step{command: refresh, kind: "Index"}},
	{name: "index-destroy", before: []step{upTo("Index", "old")}, last: step{command: destroy, kind: "Index"}},
}

// upTo returns a pulumi up of a resource.
func upTo(kind, content string) step { return step{command: up, kind: kind, content: content} }

// platforms are those of each image.
var platforms = []string{"linux/amd64", "linux/arm64"}

// imageTags are the tags of an Image, indexTag is that of an Index. Both are in the repository app.
var imageTags, indexTag = []string{"1", "latest"}, "both"

// dockerfile builds an image that is another one each time its step runs. Its base is new for each content.
const dockerfile = `FROM --platform=$BUILDPLATFORM HOST/busybox:latest AS made
COPY content /content
RUN cat /proc/sys/kernel/random/uuid > /made
FROM HOST/base:%s
COPY --from=made /made /content /
`

// contents counts the contents that nobody built before.
var contents atomic.Int64

// prepare makes the change of a step. It returns the program, and the step with its content.
func (w *world) prepare(ctx context.Context, s step) (program, step, error) {
	fresh := s.content == "NEW"
	if fresh {
		s.content = fmt.Sprintf("new%d", contents.Add(1))
	}
	if s.command != up {
		return program{kind: s.kind}, s, nil
	}
	if s.kind == "Index" {
		return w.indexProgram(s.content), s, w.pushSources(ctx)
	}
	err := w.write("Dockerfile", fmt.Sprintf(dockerfile, s.content))
	if err == nil {
		err = w.write("content", s.content)
	}
	if err == nil && !w.has(ctx, "base:"+s.content) {
		err = w.pushBase(ctx, s.content)
	}
	return w.imageProgram(s), s, err
}

func (w *world) imageProgram(s step) program {
	inputs := map[string]any{
		"context":     map[string]any{"location": "."},
		"platforms":   []any{platforms[0], platforms[1]},
		"tags":        []any{w.point.Host + "/app:" + imageTags[0], w.point.Host + "/app:" + imageTags[1]},
		"labels":      map[string]any{"content": s.content},
		"pushTimeout": 30,
	}
	if s.cache {
		inputs["cacheTo"] = []any{map[string]any{"registry": map[string]any{"ref": w.point.Host + "/cache:1"}}}
	}
	return program{kind: "Image", inputs: inputs}
}

func (w *world) indexProgram(content string) program {
	return program{kind: "Index", inputs: map[string]any{
		"tag":         w.point.Host + "/app:" + indexTag,
		"sources":     []any{w.point.Host + "/source:amd64", w.point.Host + "/source:arm64"},
		"annotations": map[string]any{"content": content},
	}}
}

// reference returns a reference in the registry behind the point.
func (w *world) reference(rest string) (name.Reference, error) {
	return name.ParseReference(w.registry.Host + "/" + rest)
}

// has tells whether the registry has a reference.
func (w *world) has(ctx context.Context, rest string) bool {
	ref, err := w.reference(rest)
	if err != nil {
		return false
	}
	_, err = remote.Head(ref, remote.WithContext(ctx))
	return err == nil
}

// pushBase pushes a base image that nobody has pulled yet.
func (w *world) pushBase(ctx context.Context, tag string) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, platform := range platforms {
		image, p, err := noiseImage(platform)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: p}})
	}
	ref, err := w.reference("base:" + tag)
	if err != nil {
		return err
	}
	return remote.WriteIndex(ref, index, remote.WithContext(ctx))
}

// pushSources pushes the images that an Index joins, unless they are there.
func (w *world) pushSources(ctx context.Context) error {
	for _, tag := range []string{"amd64", "arm64"} {
		if w.has(ctx, "source:"+tag) {
			continue
		}
		image, _, err := noiseImage("linux/" + tag)
		if err != nil {
			return err
		}
		ref, err := w.reference("source:" + tag)
		if err != nil {
			return err
		}
		if err := remote.Write(ref, image, remote.WithContext(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// noiseImage returns an image with one layer of noise.
func noiseImage(platform string) (v1.Image, *v1.Platform, error) {
	p, err := v1.ParsePlatform(platform)
	if err != nil {
		return nil, nil, err
	}
	image, err := random.Image(1<<10, 1)
	if err != nil {
		return nil, nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, nil, err
	}
	config.OS, config.Architecture = p.OS, p.Architecture
	image, err = mutate.ConfigFile(mutate.MediaType(image, types.OCIManifestSchema1), config)
	return image, p, err
}

package provider

import "context"

// keepsUnpushed tells whether other images can be built on the image of a job before it is pushed: a preview makes it,
// on one builder, and the update makes the same.
func (j imageJob) keepsUnpushed() bool {
	same := !j.op.args.varies() && !j.op.hasInlineCache()
	return j.op.preview && len(j.op.tags.list) > 0 && same && j.platform == "" && !j.testsOnly
}

// keepUnpushed keeps the image for builds on it. If the daemon had dropped a manifest before it was read, keepUnpushed
// solves again. No step runs a second time.
func (b *imageBuild) keepUnpushed(ctx context.Context) {
	const tries = 3
	for range tries {
		first := b.built
		if !first.Dropped || len(b.access.Exports) > 0 { // exports would be written again
			break
		}
		if err := b.buildOnce(ctx); err != nil || b.built.Digest != first.Digest {
			b.built = first
			break
		}
	}
	if b.built.Unpushed != nil {
		*b.kept = unpushedImage{digest: b.built.Digest, endpoint: b.builder.endpoint, content: b.built.Unpushed}
	}
}

// servesUnpushed tells whether the builder can build on an image that it has built and no registry has. containerd
// collects garbage so often that a Docker Engine may lose a part of the image in between.
func (b builder) servesUnpushed() bool { return b.engine == nil || b.container != nil }

package buildkit

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

const (
	// unpushedStore is the name by which the daemon asks the session for unpushed images.
	unpushedStore = "unpushed"
	// unpushedName is the name that an unpushed image has for the daemon. With its own name, the daemon would remember
	// that the registry has the image.
	unpushedName = "unpushed.invalid/image"
)

// unpushedBases serve one solve the images of Access.UnpushedBases. The daemon gets their manifests and configurations
// from the session, and finds their layers in its build cache.
//
// To the build cache such an image equals the same image of a registry: both have the digest of the manifest as their
// key. So the steps that a preview runs on it need not run again in the update.
type unpushedBases struct {
	content.Store // nil: the daemon only reads
	images        map[string]*UnpushedImage
	session       string // the ID of the session that serves them

	mu   sync.Mutex
	lost digest.Digest // the first layer that the daemon asked for
}

// LostLayerError says that the daemon has no longer, or has never had, a layer of an image in Access.UnpushedBases.
type LostLayerError struct {
	Ref    string // of the image
	Digest string // of the layer
}

// Error names the image and the layer.
func (e *LostLayerError) Error() string {
	return fmt.Sprintf("base image %s: neither the builder nor a registry has the layer %s", e.Ref, e.Digest)
}

// source returns the source that the daemon is to take in place of op. It returns nil if op is no unpushed image.
func (b *unpushedBases) source(op *pb.SourceOp) *pb.SourceOp {
	image := b.find(op.GetIdentifier())
	if image == nil {
		return nil
	}
	return &pb.SourceOp{
		Identifier: "oci-layout://" + unpushedName + "@" + image.root.String(),
		Attrs:      map[string]string{pb.AttrOCILayoutSessionID: b.session, pb.AttrOCILayoutStoreID: unpushedStore},
	}
}

// find returns the unpushed image that an identifier of the daemon names, or nil.
func (b *unpushedBases) find(identifier string) *UnpushedImage {
	ref, isImage := strings.CutPrefix(identifier, inputs.ImageScheme)
	if !isImage || b == nil {
		return nil
	}
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return nil
	}
	fixed, hasDigest := named.(reference.Digested)
	switch {
	case !hasDigest:
		return b.images[reference.TagNameOnly(named).String()]
	case named.Name() == unpushedName:
		for _, image := range b.images {
			if image.root == fixed.Digest() {
				return image
			}
		}
		return nil
	}
	return b.images[named.Name()+"@"+fixed.Digest().String()]
}

// isUnpushedName tells whether a reference is the name that an unpushed image has for the daemon.
func isUnpushedName(ref string) bool { return strings.HasPrefix(ref, unpushedName+"@") }

// document returns a document of an image. It remembers the digest of anything else.
func (b *unpushedBases) document(d digest.Digest) ([]byte, error) {
	for _, image := range b.images {
		if text, ok := image.documents[d]; ok {
			return text, nil
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lost == "" {
		b.lost = d
	}
	return nil, fmt.Errorf("content %s: %w", d, errdefs.ErrNotFound)
}

// err returns a *LostLayerError if the daemon asked for a layer, or nil.
func (b *unpushedBases) err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, ref := range slices.Sorted(maps.Keys(b.images)) {
		if b.lost != "" && b.images[ref].names(b.lost) {
			return &LostLayerError{Ref: ref, Digest: b.lost.String()}
		}
	}
	return nil
}

// Info implements content.InfoProvider.
func (b *unpushedBases) Info(_ context.Context, d digest.Digest) (content.Info, error) {
	return rescue.Value(func() (content.Info, error) {
		text, err := b.document(d)
		return content.Info{Digest: d, Size: int64(len(text))}, err
	})
}

// ReaderAt implements content.Provider.
func (b *unpushedBases) ReaderAt(_ context.Context, desc ocispecs.Descriptor) (content.ReaderAt, error) {
	return rescue.Value(func() (content.ReaderAt, error) {
		text, err := b.document(desc.Digest)
		if err != nil {
			return nil, err
		}
		return document{bytes.NewReader(text)}, nil
	})
}

// document is the text of a document as a content.ReaderAt.
type document struct{ *bytes.Reader }

// Close does nothing.
func (document) Close() error { return nil }

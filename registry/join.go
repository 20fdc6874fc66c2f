package registry

import (
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Join makes an index of manifests that every repository has already, in their order. It asks no registry. The index is
// one of OCI, or one of Docker if all manifests are Docker's and there are no annotations.
func Join(manifests []ocispec.Descriptor, annotations map[string]string) (Index, error) {
	root, err := newIndexDocument(manifests, annotations)
	if err != nil {
		return Index{}, err
	}
	return Index{Image: Image{Digest: root.digest.String(), MediaType: root.mediaType}, document: root}, nil
}

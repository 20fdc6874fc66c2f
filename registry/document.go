package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// document is a manifest or an index as the registry serves it, byte for byte.
type document struct {
	raw       []byte
	digest    digest.Digest
	mediaType string
	content   struct {
		MediaType   string             `json:"mediaType"`
		Config      ocispec.Descriptor `json:"config"`
		Layers      descriptors        `json:"layers"`
		Manifests   descriptors        `json:"manifests"`
		Annotations map[string]string  `json:"annotations"`
	}
}

// maxDescriptors is how many layers or manifests a document may have. Engines take 127 layers.
const maxDescriptors = 1024

// descriptors are read one by one: each may need a hundred times the memory of its two bytes in JSON.
type descriptors []ocispec.Descriptor

// UnmarshalJSON implements json.Unmarshaler.
func (d *descriptors) UnmarshalJSON(text []byte) error {
	*d = nil // of two lists the last counts, as everywhere
	if string(text) == "null" {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if start, err := decoder.Token(); err != nil || start != json.Delim('[') {
		return errors.New("it has no list where there should be one")
	}
	for decoder.More() {
		if len(*d) == maxDescriptors {
			return fmt.Errorf("it lists more than %d things", maxDescriptors)
		}
		var one ocispec.Descriptor
		if err := decoder.Decode(&one); err != nil {
			return err
		}
		*d = append(*d, one)
	}
	return nil
}

var (
	configTypes   = []string{string(types.OCIConfigJSON), string(types.DockerConfigJSON)}
	indexTypes    = []string{string(types.OCIImageIndex), string(types.DockerManifestList)}
	imageTypes    = []string{string(types.OCIManifestSchema1), string(types.DockerManifestSchema2)}
	acceptedTypes = strings.Join(slices.Concat(indexTypes, imageTypes), ",")
)

func (d document) isIndex() bool { return slices.Contains(indexTypes, d.mediaType) }
func (d document) isImage() bool { return slices.Contains(imageTypes, d.mediaType) }

// size returns the bytes that a pull loads besides the manifest.
func (d document) size() int64 {
	total := d.content.Config.Size
	for _, layer := range d.content.Layers {
		total += layer.Size
	}
	return total
}

// parseDocument reads the bytes of d. What they call themselves counts more than the header.
func parseDocument(d document, contentType string) (document, error) {
	contentType, _, _ = strings.Cut(contentType, ";")
	contentType = strings.TrimSpace(contentType)
	if err := json.Unmarshal(d.raw, &d.content); err != nil {
		return document{}, fmt.Errorf("%w: the registry served no manifest for %s: %w",
			fault.ErrMismatch, d.digest, err)
	}
	d.mediaType = d.content.MediaType
	if d.mediaType == "" {
		d.mediaType = contentType
	}
	return d, d.checkAmbiguous(contentType)
}

// checkAmbiguous returns an error for a document that some engines take for an index and others for an image:
// https://github.com/opencontainers/distribution-spec/security/advisories/GHSA-mc8v-mgrf-8f4m
func (d document) checkAmbiguous(contentType string) error {
	asImage := d.content.Config.Digest != "" || len(d.content.Layers) > 0
	asIndex := len(d.content.Manifests) > 0
	if asImage && asIndex || asImage && d.isIndex() || asIndex && d.isImage() ||
		d.isIndex() && slices.Contains(imageTypes, contentType) ||
		d.isImage() && slices.Contains(indexTypes, contentType) {
		return fmt.Errorf("%w: %s is both an index and an image", fault.ErrMismatch, d.digest)
	}
	return nil
}

// checkDigestHeader returns ErrMismatch when Docker-Content-Digest, which is optional, is not the digest of the
// content. Engines believe that header when they resolve a tag.
func checkDigestHeader(resp response, got digest.Digest) error {
	header := digest.Digest(resp.header.Get("Docker-Content-Digest"))
	if header.Validate() != nil || header.Algorithm() != got.Algorithm() || header == got {
		return nil
	}
	return fmt.Errorf("%w: the registry calls %s by the digest %s", fault.ErrMismatch, got, header)
}

// newMismatch returns the error of other bytes than those of a digest.
func newMismatch(want, got digest.Digest) error {
	text := fmt.Sprintf("%v: the registry served %s for %s", fault.ErrMismatch, got, want)
	return fault.New(fault.ContentOther, text, fault.ErrMismatch)
}

// parseDigest returns an error for what is not written like a digest.
func parseDigest(s string) (digest.Digest, error) {
	d, err := digest.Parse(s)
	if err != nil {
		return "", fmt.Errorf("digest %q is not like sha256:<64 hex digits>: %w", s, err)
	}
	return d, nil
}

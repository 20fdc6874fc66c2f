package registry

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// combine makes the index of what was read.
func combine(read []indexContent, r IndexRequest) (Index, error) {
	all := mergeEntries(read)
	if err := checkHeld(all, r.Platforms); err != nil {
		return Index{}, err
	}
	chosen := chooseEntries(all, r.Platforms)
	if err := checkTwice(chosen); err != nil {
		return Index{}, err
	}
	root, err := rootOf(read, r, all, chosen)
	if err != nil {
		return Index{}, err
	}
	index := Index{Image: Image{Digest: root.digest.String(), MediaType: root.mediaType}, document: root}
	for _, entry := range chosen {
		index.parts = append(index.parts, entry.part)
		if entry.platform != nil {
			d := entry.part.document
			index.Manifests = append(index.Manifests, Manifest{
				Platform: platformOf(entry.platform), Digest: d.digest.String(), Size: d.size(),
			})
		}
	}
	return index, nil
}

// mergeEntries returns the entries of all sources, each digest once.
func mergeEntries(read []indexContent) []indexEntry {
	var all []indexEntry
	at := map[digest.Digest]int{}
	for _, content := range read {
		for _, entry := range content.entries {
			if i, ok := at[entry.descriptor.Digest]; ok {
				all[i].descriptor = mergeDescriptors(all[i].descriptor, entry.descriptor)
				continue
			}
			at[entry.descriptor.Digest] = len(all)
			entry.source = content.source
			all = append(all, entry)
		}
	}
	return all
}

// checkTwice returns an error for two images of one platform in two sources: every engine would take the first. An
// index may have its own reasons for two.
func checkTwice(chosen []indexEntry) error {
	holders := map[string]IndexSource{}
	for _, entry := range chosen {
		if entry.platform == nil {
			continue
		}
		exact := platforms.FormatAll(platforms.Normalize(*entry.platform))
		if other, ok := holders[exact]; ok && other != entry.source {
			return newPlatformTwice(platformOf(entry.platform), other, entry.source)
		}
		holders[exact] = entry.source
	}
	return nil
}

// mergeDescriptors returns the first descriptor with what another one of the same digest says besides.
func mergeDescriptors(first, other ocispec.Descriptor) ocispec.Descriptor {
	if first.Platform == nil {
		first.Platform = other.Platform
	}
	merged := maps.Clone(other.Annotations)
	if merged == nil {
		merged = map[string]string{}
	}
	maps.Copy(merged, first.Annotations)
	if len(merged) > 0 {
		first.Annotations = merged
	}
	return first
}

// newPlatformTwice returns the error of two sources with different images for one platform.
func newPlatformTwice(platform string, first, second IndexSource) error {
	text := fmt.Sprintf("%v: %s and %s have different images for %s", fault.ErrMismatch, first, second, platform)
	return fault.New(fault.PlatformTwice, text, fault.ErrMismatch)
}

// checkHeld returns an error that names the platforms of a request that no source has.
func checkHeld(all []indexEntry, wanted []string) error {
	var held, missing []string
	for _, entry := range all {
		if entry.platform != nil {
			held = append(held, platformOf(entry.platform))
		}
	}
	for _, platform := range wanted {
		if !slices.Contains(held, platform) {
			missing = append(missing, platform)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(held)
	text := fmt.Sprintf("%v: no source has an image for %s; there are images for %s", fault.ErrMismatch,
		strings.Join(missing, ", "), fault.OneLine(strings.Join(slices.Compact(held), ", ")))
	return fault.New(fault.PlatformMissing, text, fault.ErrMismatch)
}

// chooseEntries returns the entries of the platforms, with the attestations of their images. No platforms are all.
func chooseEntries(all []indexEntry, wanted []string) []indexEntry {
	if len(wanted) == 0 {
		return all
	}
	images := map[digest.Digest]bool{}
	for _, entry := range all {
		if entry.platform != nil && slices.Contains(wanted, platformOf(entry.platform)) {
			images[entry.descriptor.Digest] = true
		}
	}
	var chosen []indexEntry
	for _, entry := range all {
		if images[entry.descriptor.Digest] || entry.platform == nil && images[attestedImage(entry.descriptor)] {
			chosen = append(chosen, entry)
		}
	}
	return chosen
}

// rootOf returns the document of the index: that of the only source if nothing about it changes, or a new one.
func rootOf(read []indexContent, r IndexRequest, all, chosen []indexEntry) (document, error) {
	only := len(read) == 1 && read[0].root.isIndex()
	if only && len(r.Annotations) == 0 && len(all) == len(chosen) {
		return read[0].root, nil
	}
	annotations := map[string]string{}
	if only {
		maps.Copy(annotations, read[0].root.content.Annotations)
	}
	maps.Copy(annotations, r.Annotations)
	var manifests []ocispec.Descriptor
	for _, entry := range chosen {
		manifests = append(manifests, entry.descriptor)
	}
	return newIndexDocument(manifests, annotations)
}

// newIndexDocument writes an index as BuildKit and docker buildx imagetools do, byte for byte.
func newIndexDocument(manifests []ocispec.Descriptor, annotations map[string]string) (document, error) {
	index := ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: indexType(manifests, annotations),
		Manifests: manifests, Annotations: annotations,
	}
	if index.Manifests == nil {
		index.Manifests = []ocispec.Descriptor{}
	}
	raw, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return document{}, err
	}
	return parseDocument(document{raw: raw, digest: digest.FromBytes(raw)}, index.MediaType)
}

// indexType returns the media type of an index. That of Docker has no annotations.
func indexType(manifests []ocispec.Descriptor, annotations map[string]string) string {
	isDocker := func(d ocispec.Descriptor) bool { return strings.HasPrefix(d.MediaType, "application/vnd.docker.") }
	other := slices.ContainsFunc(manifests, func(d ocispec.Descriptor) bool { return !isDocker(d) })
	if other || len(annotations) > 0 {
		return string(types.OCIImageIndex)
	}
	return string(types.DockerManifestList)
}

package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/canon"
)

// inputsHash returns the hash of everything that shapes the image, as 64 hexadecimal digits. Two operations with the
// same hash can share one image. Credentials, secrets, the builder and tags are not part of it.
func inputsHash(a ImageArgs) string {
	h := sha256.New()
	field := func(s string) { canon.WriteField(h, []byte(s)) }
	field("pulumi-buildkit image v1")
	field(strconv.Itoa(buildkit.CompatibilityVersion))
	for _, in := range inputTable {
		if in.hash == nil {
			continue
		}
		for _, s := range in.hash(a) {
			field(s)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// The inputs of the first version are in every hash, set or not.

func hashContextHash(a ImageArgs) []string { return []string{deref(a.ContextHash)} }
func hashTarget(a ImageArgs) []string      { return []string{deref(a.Target)} }
func hashPlatforms(a ImageArgs) []string {
	return withCount(sortUnique(normalizePlatforms(a.Platforms)))
}
func hashBuildArgs(a ImageArgs) []string { return hashMap(a.lastingArgs()) }
func hashLabels(a ImageArgs) []string    { return hashMap(a.Labels) }

func hashMap(m map[string]string) []string {
	fields := []string{strconv.Itoa(len(m))}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		fields = append(fields, k, m[k])
	}
	return fields
}

// The others are part of the hash only if they are set, each after its name.

func hashAnnotations(a ImageArgs) []string { return hashEntries("annotation", a.Annotations) }
func hashTestTargets(a ImageArgs) []string {
	return hashIfSet("testTargets", sortUnique(a.TestTargets)...)
}
func hashNetwork(a ImageArgs) []string     { return hashIfSet("network", a.network()) }
func hashBaseDigests(a ImageArgs) []string { return hashEntries("base", a.baseDigests()) }
func hashProvenance(a ImageArgs) []string  { return hashIfSet("provenance", a.provenance()) }
func hashSBOM(a ImageArgs) []string        { return hashIfSet("sbom", a.sbom()) }

func hashHosts(a ImageArgs) (fields []string) {
	for _, h := range a.hosts() {
		address := h.IP.String()
		if h.Gateway {
			address = hostGateway
		}
		fields = append(fields, hashIfSet("host", h.Name, address)...)
	}
	return fields
}

func hashEpoch(a ImageArgs) []string {
	if a.SourceDateEpoch == nil {
		return nil
	}
	return hashIfSet("sourceDateEpoch", strconv.Itoa(*a.SourceDateEpoch))
}

// hashImageOptions hashes how the image is written, without the options of the builder's image store.
func hashImageOptions(a ImageArgs) []string {
	options := imageOptions(a)
	maps.DeleteFunc(options, func(name, _ string) bool { return slices.Contains(imageStoreOptions, name) })
	return hashEntries("written", options)
}

// hashNothing hashes an input that writes something besides the image and does not change the image.
func hashNothing(ImageArgs) []string { return nil }

// hashIfSet returns the fields of an input, or none if its first value is empty.
func hashIfSet(name string, values ...string) []string {
	if len(values) == 0 || values[0] == "" {
		return nil
	}
	return withCount(append([]string{name}, values...))
}

// hashEntries returns the fields of a map, entry by entry.
func hashEntries(name string, entries map[string]string) (fields []string) {
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		fields = append(fields, hashIfSet(name, key, entries[key])...)
	}
	return fields
}

// withCount returns the fields after their number.
func withCount(fields []string) []string {
	return append([]string{strconv.Itoa(len(fields))}, fields...)
}

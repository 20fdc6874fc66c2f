package provider

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// checkOneMember reports each entry of a list that does not have exactly one of the members, which say its kind. It
// returns the paths of the entries that have one, by index. The value of a member may be unknown, its presence may not.
// A list that could not be decoded has its failure already.
func checkOneMember(c *checker, input string, decoded int, members ...string) (paths map[int]string) {
	paths = map[int]string{}
	list := c.raw.Get(input)
	if !list.IsArray() || list.AsArray().Len() > decoded {
		return paths
	}
	for i, entry := range list.AsArray().All {
		path := fmt.Sprintf("%s[%d]", input, i)
		if !entry.IsMap() {
			continue
		}
		disabled := entry.AsMap().Get("disabled")
		if disabled.IsComputed() || disabled.IsBool() && disabled.AsBool() {
			continue
		}
		given := slices.DeleteFunc(slices.Clone(members), func(name string) bool {
			return entry.AsMap().Get(name).IsNull()
		})
		switch len(given) {
		case 1:
			paths[i] = path
		case 0:
			c.fail(path, "say what it is: one of %s", strings.Join(members, ", "))
		default:
			c.fail(path, "it is one of %s: keep one of them", strings.Join(given, ", "))
		}
	}
	return paths
}

// hasUnknownMember tells whether the member of an entry, or a part of it, is unknown.
func hasUnknownMember(c *checker, input string, i int, member string) bool {
	return c.unknownAt(key(input), index(i), key(member))
}

// isHeader tells whether text is printable ASCII, as the headers of gRPC are.
func isHeader(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}

func checkCacheFrom(c *checker) {
	paths := checkOneMember(c, "cacheFrom", len(c.args.CacheFrom), "registry", "local", "s3", "gha", "azblob", "raw")
	for _, i := range slices.Sorted(maps.Keys(paths)) {
		path, from := paths[i], c.args.CacheFrom[i]
		switch {
		case from.Registry != nil && !hasUnknownMember(c, "cacheFrom", i, "registry"):
			checkCacheReference(c, path+".registry.ref", from.Registry.Ref)
		case from.Local != nil && !hasUnknownMember(c, "cacheFrom", i, "local"):
			checkNotEmpty(c, path+".local.src", from.Local.Src, "the path of a folder")
			if d := from.Local.Digest; d != nil && digest.Digest(*d).Validate() != nil {
				c.fail(path+".local.digest", "%q is not a digest: write sha256:…", *d)
			}
		case from.S3 != nil && !hasUnknownMember(c, "cacheFrom", i, "s3"):
			checkBucket(c, path+".s3", *from.S3)
		case from.AZBlob != nil && !hasUnknownMember(c, "cacheFrom", i, "azblob"):
			checkNotEmpty(c, path+".azblob.name", from.AZBlob.Name, "the name of the cache")
		case from.Raw != nil && !hasUnknownMember(c, "cacheFrom", i, "raw"):
			checkRawCache(c, "cacheFrom", path+".raw", *from.Raw)
		}
	}
}

func checkCacheTo(c *checker) {
	members := []string{"registry", "local", "s3", "gha", "azblob", "inline", "raw"}
	paths := checkOneMember(c, "cacheTo", len(c.args.CacheTo), members...)
	for _, i := range slices.Sorted(maps.Keys(paths)) {
		path, to := paths[i], c.args.CacheTo[i]
		switch {
		case to.Registry != nil && !hasUnknownMember(c, "cacheTo", i, "registry"):
			checkRegistryCache(c, path+".registry", *to.Registry)
		case to.Local != nil && !hasUnknownMember(c, "cacheTo", i, "local"):
			checkNotEmpty(c, path+".local.dest", to.Local.Dest, "the path of a folder")
			if !isHeader(to.Local.Dest) && !deref(to.Local.IgnoreError) {
				c.fail(path+".local.dest", "%q: BuildKit takes the path of a cache in printable ASCII only: name "+
					"another folder, or write a relative path", to.Local.Dest)
			}
			checkCompression(c, path+".local", to.Local.LayerCompression)
			checkCacheMode(c, path+".local", to.Local.CacheWriting)
		case to.S3 != nil && !hasUnknownMember(c, "cacheTo", i, "s3"):
			checkBucket(c, path+".s3", to.S3.CacheFromS3)
			checkCacheMode(c, path+".s3", to.S3.CacheWriting)
		case to.GHA != nil && !hasUnknownMember(c, "cacheTo", i, "gha"):
			checkCacheMode(c, path+".gha", to.GHA.CacheWriting)
		case to.AZBlob != nil && !hasUnknownMember(c, "cacheTo", i, "azblob"):
			checkNotEmpty(c, path+".azblob.name", to.AZBlob.Name, "the name of the cache")
			checkCacheMode(c, path+".azblob", to.AZBlob.CacheWriting)
		case to.Raw != nil && !hasUnknownMember(c, "cacheTo", i, "raw"):
			checkRawCache(c, "cacheTo", path+".raw", *to.Raw)
		}
		if cache, err := to.cache(); err == nil && cache.Type == "inline" && makesNoImage(c) {
			c.warn("%s: an inline cache has no effect, because no image is made that could carry it: %s",
				path, imageRemedy)
		}
	}
}

func checkNotEmpty(c *checker, path, value, what string) {
	if value == "" {
		c.fail(path, "give %s", what)
	}
}

func checkCacheReference(c *checker, path, ref string) {
	options, err := referenceOptions(ref)
	if err == nil {
		ref = options["ref"]
		if _, wrong := reference.ParseNormalizedNamed(ref); wrong != nil {
			err = fmt.Errorf("%q is not a reference: %w", ref, wrong)
		}
	}
	if err != nil {
		c.fail(path, "%v", err)
		return
	}
	warnOfCredentials(c, path, options)
}

func checkRegistryCache(c *checker, path string, to CacheToRegistry) {
	checkCacheReference(c, path+".ref", to.Ref)
	checkCompression(c, path, to.LayerCompression)
	checkCacheMode(c, path, to.CacheWriting)
	if to.ImageManifest != nil && *to.ImageManifest && to.OCIMediaTypes != nil && !*to.OCIMediaTypes {
		c.fail(path+".imageManifest", "an image manifest needs the media types of OCI: leave ociMediaTypes out")
	}
}

// checkBucket requires the name of the bucket, and both halves of an access key or none. A missing half would come from
// another place, and would not fit.
func checkBucket(c *checker, path string, s3 CacheFromS3) {
	checkNotEmpty(c, path+".bucket", s3.Bucket, "the name of the bucket")
	if (deref(s3.AccessKeyID) == "") != (deref(s3.SecretAccessKey) == "") {
		c.failWithoutValue(path+".accessKeyId", "give accessKeyId and secretAccessKey both, or neither")
	}
}

func checkCacheMode(c *checker, path string, w CacheWriting) {
	if w.Mode != nil && *w.Mode != CacheModeMin && *w.Mode != CacheModeMax {
		c.fail(path+".mode", "%q is not known: it is min or max", *w.Mode)
	}
}

func checkCompression(c *checker, path string, given LayerCompression) {
	kind := deref(given.Compression)
	known := []CompressionType{"", CompressionGzip, CompressionZstd, CompressionEstargz, CompressionUncompressed}
	if !slices.Contains(known, kind) {
		c.fail(path+".compression", "%q is not known: it is gzip, zstd, estargz or uncompressed", kind)
		return
	}
	highest := 9
	if kind == CompressionZstd {
		highest = 22
	}
	if level := deref(given.CompressionLevel); level < 0 || level > highest {
		c.fail(path+".compressionLevel", "%d is not a level of %s: write 0 to %d",
			level, cmp.Or(kind, CompressionGzip), highest)
	}
}

func checkRawCache(c *checker, input, path, text string) {
	cache, err := rawCache(text)
	if err == nil {
		err = rawCacheMistake(input, cache.Type, cache.Options)
	}
	if err != nil {
		c.fail(path, "%v", err)
		return
	}
	warnOfCredentials(c, path, cache.Options)
}

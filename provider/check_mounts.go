package provider

import (
	"fmt"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// checkCacheMounts checks where cache mounts are kept.
func checkCacheMounts(c *checker) {
	m := c.args.CacheMounts
	if m == nil || c.raw.Get("cacheMounts").IsComputed() {
		return
	}
	if !c.unknownAt(key("cacheMounts"), key("ref")) {
		if _, err := mountRepository(deref(m.Ref)); err != nil {
			c.fail("cacheMounts.ref", "%v", err)
		}
	}
	if m.MaxSize != nil && !c.unknownAt(key("cacheMounts"), key("maxSize")) {
		if _, err := parseSize(*m.MaxSize); err != nil {
			c.fail("cacheMounts.maxSize", "%v", err)
		}
	}
	for i, id := range m.IDs {
		if id == "" && !c.unknownAt(key("cacheMounts"), key("ids"), index(i)) {
			c.fail(fmt.Sprintf("cacheMounts.ids[%d]", i), "give the id of a cache mount, such as /root/.npm")
		}
	}
}

// mountRepository returns the repository of cache mounts. It returns an error for a reference with a tag or a digest,
// because each mount gets a tag of its own.
func mountRepository(ref string) (string, error) {
	const remedy = "write a repository, such as registry.example.com/app-mounts"
	if ref == "" {
		return "", fmt.Errorf("there is no repository: %s", remedy)
	}
	if name := ref[strings.LastIndexByte(ref, '/')+1:]; strings.ContainsAny(name, ":@") {
		return "", fmt.Errorf("%q has a tag or a digest, and each mount gets a tag of its own: %s", ref, remedy)
	}
	tag, err := registry.ParseTag(ref)
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, remedy)
	}
	return tag.Repository(), nil
}

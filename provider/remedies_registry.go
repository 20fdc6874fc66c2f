package provider

import (
	"errors"
	"fmt"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// registryRemedies are about what a registry refuses.
var registryRemedies = []struct {
	is     error
	remedy string
}{
	{registry.ErrLimit, "delete old tags or images, for example with a lifecycle policy, or have AWS raise the quota"},
	{registry.ErrQuota, "other credentials do not help: delete old images there and have the registry collect its garbage, or " +
		"have its administrator raise the quota"},
	{registry.ErrTooLarge, "a proxy before the registry, or the registry, limits how large a request may be: raise that limit " +
		"(nginx: client_max_body_size 0; ingress-nginx: proxy-body-size \"0\"), push to an address behind the proxy, or split " +
		"what the largest layer copies into several steps"},
	{registry.ErrNoStorage, "the disk of the registry is full, not that of the builder: free space there"},
	{registry.ErrReadOnly, "have its administrator end the read-only mode, or push to the registry that this one mirrors"},
	{registry.ErrManifestRefused, "the registry may be too old for images of OCI: write the media types of Docker with " +
		"exports: [{ image: { ociMediaTypes: false } }], which annotations, provenance and sbom cannot be used with"},
	{registry.ErrUnsupported, "the registry takes no push, as a mirror or one in read-only mode does, or not this kind of " +
		"image: leave annotations, provenance and sbom out, or write the media types of Docker with " +
		"exports: [{ image: { ociMediaTypes: false } }]"},
}

// explainRegistry adds to the error of a push, or of tags that were to move, what to do about it.
func explainRegistry(err error) error {
	if err == nil {
		return nil
	}
	for _, r := range registryRemedies {
		if errors.Is(err, r.is) {
			return fmt.Errorf("%w; %s", err, r.remedy)
		}
	}
	return err
}

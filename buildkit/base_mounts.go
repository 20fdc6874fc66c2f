package buildkit

import (
	"context"
	"slices"
	"strings"

	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
)

// baseMounts has the registries mount the layers of base images before the daemon pushes.
//
// A daemon mounts layers only from where it has pushed them. Those that it has pulled it sends, even if the registry
// has them in the repository of the base image.
type baseMounts struct {
	mount        func(ctx context.Context, bases []BaseImage) // nil: the layers are sent
	repositories []string                                     // to which the image is pushed
	exports      []client.ExportEntry
}

// pushes reports whether the solve pushes the layers of base images as they are. A solve for tests, for files or for
// caches pushes no image.
func (m *baseMounts) pushes() bool {
	isPush := func(e client.ExportEntry) bool {
		return e.Type == client.ExporterImage && e.Attrs["push"] == "true" && e.Attrs[forceCompressionOption] != "true"
	}
	return slices.ContainsFunc(m.exports, isPush)
}

// isOf reports whether a repository of the push lies in a registry of one of the bases.
func (m *baseMounts) isOf(bases []BaseImage) bool {
	return slices.ContainsFunc(bases, func(base BaseImage) bool {
		return slices.ContainsFunc(m.repositories, base.IsBeside)
	})
}

// IsBeside tells whether a repository, host/path, is another one of the registry that has the image.
func (b BaseImage) IsBeside(repository string) bool {
	host, _, _ := strings.Cut(repository, "/")
	ownHost, _, _ := strings.Cut(b.Repository, "/")
	return host == ownHost && repository != b.Repository
}

// run calls mount with the base images of a result. The daemon runs the steps after that.
//
// It must not wait for the steps here: a daemon that is told to end finishes its builds, and takes no further call.
func (m *baseMounts) run(ctx context.Context, result *gateway.Result) {
	if m.mount == nil || !m.pushes() {
		return
	}
	if bases := basesOf(ctx, result); m.isOf(bases) {
		m.mount(ctx, bases)
	}
}

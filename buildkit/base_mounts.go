package buildkit

import (
	"context"
	"slices"
	"strings"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"golang.org/x/sync/errgroup"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
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

// run calls mount with the base images of a result. It waits for all steps first, because a failed build shall leave
// nothing in a registry. It returns the error of a step.
func (m *baseMounts) run(ctx context.Context, result *gateway.Result) error {
	if m.mount == nil || !m.pushes() {
		return nil
	}
	bases := basesOf(ctx, result)
	if !m.isOf(bases) {
		return nil
	}
	group, bounded := errgroup.WithContext(ctx)
	_ = result.EachRef(func(ref gateway.Reference) error { // the group has the errors
		rescue.GoErrGroup(group, func() error { return ref.Evaluate(bounded) })
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	m.mount(ctx, bases)
	return nil
}

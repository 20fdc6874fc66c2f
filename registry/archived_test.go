package registry_test

import (
	"slices"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// TestSetTagsArchived: an immutable tag of an archived image cannot be moved by any other tag, and the cure is another one. A mutable one moves.
func TestSetTagsArchived(t *testing.T) {
	t.Parallel()
	e := registrytest.NewECR(t)
	e.Repository("team/app", registrytest.ImmutableWithExclusion, "latest*")
	archived := registrytest.Image(t, "linux/amd64")
	e.Archive("team/app", e.Push(t, "team/app:0123456789ab", archived))
	e.Archive("team/app", e.Push(t, "team/app:latest", archived))
	digest := e.Push(t, "team/app", registrytest.Image(t, "linux/amd64"))
	fixed, mutable := parseTag(t, e.Host()+"/team/app:0123456789ab"), parseTag(t, e.Host()+"/team/app:latest")
	client := once(amazon(t, e, "one"))
	moved, err := client.SetTags(t.Context(), fixed.Repository(), digest, []registry.Tag{fixed, mutable})
	expect(t, err, registry.ErrImmutableTag, "tagging "+fixed.String()+": immutable tag: it holds an image that "+e.Host()+" does not serve, since it is "+
		"archived or its content is gone; restore it with aws ecr update-image-storage-class --repository-name team/app --image-id "+
		"imageTag=0123456789ab --target-storage-class STANDARD, or delete the tag with aws ecr batch-delete-image --repository-name team/app --image-ids "+
		"imageTag=0123456789ab, and try again")
	if !slices.Equal(moved, []registry.Tag{mutable}) {
		t.Errorf("moved %v", moved)
	}
}

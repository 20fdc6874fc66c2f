package provider

import (
	"slices"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// An image that Amazon ECR has moved to its archive stays in the state, and so do its tags; one that is gone does not.
func TestReadKeepsAnArchivedImage(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]bool{"archived": false, "gone": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t)
			f.Repository("team", registrytest.Mutable)
			outputs, err := f.apply(t, "FROM scratch", f.Host()+"/team:1", f.Host()+"/team:2")
			if err != nil {
				t.Fatal(err)
			}
			f.Archive("team", text(outputs, "digest"))
			if gone {
				f.Repository("team", registrytest.Mutable) // a new one, with nothing in it
			}
			inputs := props(t, `{"platforms": ["linux/amd64"]}`).Set("tags", outputs.Get("tags"))
			read, err := f.Read(t.Context(), &pulumirpc.ReadRequest{
				Id: "app", Urn: string(urn), Properties: packed(t, outputs), Inputs: packed(t, inputs),
			})
			if err != nil {
				t.Fatal(err)
			}
			if kept := read.GetId() == "app"; kept == gone {
				t.Errorf("kept: %t", kept)
			}
			if tags := texts(unpacked(t, read.GetProperties()), "tags"); !gone && !slices.Equal(tags, texts(outputs, "tags")) {
				t.Errorf("tags %v", tags)
			}
		})
	}
}

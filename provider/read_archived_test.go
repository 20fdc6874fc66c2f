package provider

import (
	"slices"
	"strings"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// An image that Amazon ECR has moved to its archive stays in the state with its tags. An image that is gone does not.
func TestReadKeepsAnArchivedImage(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]bool{"archived": false, "gone": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaultyRegistry(t)
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
				Id: "app", Urn: string(urn), Properties: marshalProperties(t, outputs), Inputs: marshalProperties(t,
					inputs),
			})
			if err != nil {
				t.Fatal(err)
			}
			if kept := read.GetId() == "app"; kept == gone {
				t.Errorf("kept: %t", kept)
			}
			if tags := texts(unmarshalProperties(t, read.GetProperties()), "tags"); !gone &&
				!slices.Equal(tags, texts(outputs, "tags")) {
				t.Errorf("tags %v", tags)
			}
		})
	}
}

// Without the permission to ask whether an image is archived or gone, the state stays, and a warning names the
// permission. A tag that somebody removed is drift nevertheless, if the image is served.
func TestReadKeepsWhatCannotBeDetermined(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change func(f faultyRegistry, digest string)
		drift  bool
	}{
		"archived": {func(f faultyRegistry, digest string) { f.Archive("team", digest) }, false},
		"gone":     {func(f faultyRegistry, _ string) { f.Repository("team", registrytest.Mutable) }, false},
		"a tag moved": {func(f faultyRegistry, _ string) {
			f.Archive("team", f.Push(t, "team:2", registrytest.Image(t, "linux/amd64")))
		}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaultyRegistry(t)
			f.Repository("team", registrytest.Mutable)
			first, second := f.Host()+"/team:1", f.Host()+"/team:2"
			outputs, err := f.apply(t, "FROM scratch", first, second)
			if err != nil {
				t.Fatal(err)
			}
			f.Deny("ecr:DescribeImages")
			test.change(f, text(outputs, "digest"))
			inputs := props(t, `{"platforms": ["linux/amd64"]}`).Set("tags", outputs.Get("tags"))
			read, err := f.Read(t.Context(), &pulumirpc.ReadRequest{
				Id: "app", Urn: string(urn), Properties: marshalProperties(t, outputs), Inputs: marshalProperties(t,
					inputs),
			})
			if err != nil || read.GetId() != "app" {
				t.Fatalf("%q, %v", read.GetId(), err)
			}
			want := []string{first, second}
			if test.drift {
				want = want[:1]
			}
			if tags := texts(unmarshalProperties(t, read.GetProperties()), "tags"); !slices.Equal(tags, want) {
				t.Errorf("tags %v, want %v", tags, want)
			}
			logs := f.logText()
			for _, text := range []string{
				"WARNING the state is kept as it is", "allow ecr:DescribeImages in the IAM policy",
				"pulumi up --replace '" + string(urn),
			} {
				if strings.Contains(logs, text) == test.drift {
					t.Errorf("%q: %t, in\n%s", text, !test.drift, logs)
				}
			}
		})
	}
}

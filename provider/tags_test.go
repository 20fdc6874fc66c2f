package provider

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

func TestCheckOfHashTags(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"a.io/x:{hash}":        "",
		"a.io/x:v1-{hash}-arm": "",
		"a.io:5000/x:{hash}":   "",
		"a.io/x-{hash}:1":      "{hash} in its repository",
		"a.io/{hash}":          "{hash} in its repository",
		"a.io:5000/{hash}":     "{hash} in its repository",
		"a.io/x:{HASH}":        "{HASH}",
		"a.io/x:" + strings.Repeat("v", 120) + "{hash}": "128",
	}
	for tag, want := range cases {
		err := checkTag(tag)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", tag, err, want)
		}
	}
}

func TestHashTagsAmongReferences(t *testing.T) {
	t.Parallel()
	tags := []registry.Tag{refOf(t, "a.io/x:v-0123456789ab"), refOf(t, "a.io/x:plain"), refOf(t, "user/app:1")}
	for given, want := range map[string]bool{
		"a.io/x:v-{hash}": true, "a.io/x:{hash}": false, "a.io/y:v-{hash}": false, "a.io/x:plain": true, "docker.io/user/app:1": true, "a.io/x:other": false,
	} {
		if isAmong(given, tags) != want {
			t.Errorf("%s: want %v", given, want)
		}
	}
}

func refOf(t *testing.T, s string) registry.Tag {
	t.Helper()
	tag, err := registry.ParseTag(s)
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

// Another machine has pushed the image of these very inputs. This one knows nothing of it: no state, no caches, no builder.
func TestAnImageUnderItsHashIsReused(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	inputs := props(t, `{"contextHash": "c1", "platforms": ["linux/amd64", "linux/arm64"], "builder": {"endpoint": "unix:///nowhere.sock"}}`).
		Set("tags", list([]string{reg.Host() + "/app:v-{hash}", reg.Host() + "/app:latest"}))
	args, _, err := decode(t.Context(), inputs)
	if err != nil {
		t.Fatal(err)
	}
	hash := inputsHash(args)[:hashDigits]
	digest := reg.Push(t, "app:v-"+hash, registrytest.Index(t, "linux/amd64", "linux/arm64"))

	before := len(reg.Requests())
	w := dial(t, New(nil), `{}`)
	res, err := w.Create(t.Context(), &pulumirpc.CreateRequest{Urn: string(urn), Properties: packed(t, inputs)})
	if err != nil {
		t.Fatal(err)
	}
	out := unpacked(t, res.GetProperties())
	refs := []string{reg.Host() + "/app:v-" + hash, reg.Host() + "/app:latest"}
	if text(out, "digest") != digest || !slices.Equal(texts(out, "refs"), refs) || !slices.Equal(texts(out, "tags"), texts(inputs, "tags")) {
		t.Errorf("got %v", out)
	}
	if diff, err := serve(t).Diff(p.DiffRequest{ID: "app", Urn: urn, State: out, Inputs: inputs}); err != nil || diff.HasChanges {
		t.Errorf("afterwards: %+v, %v", diff, err)
	}
	writes := slices.DeleteFunc(reg.Requests()[before:], func(r registrytest.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead })
	if len(writes) != 1 || !strings.HasSuffix(writes[0].Path, "/manifests/latest") {
		t.Errorf("written: %+v, want the other tag alone", writes)
	}
}

// A hash that was kept stands for other files than those that would be built.
func TestHashTagsDoNotLie(t *testing.T) {
	t.Parallel()
	kept, built := strings.Repeat("a", 64), strings.Repeat("b", 64)
	op := func(contextHash, tag string) operation {
		o, err := newOperation(t.Context(), urn, props(t, `{"contextHash": "`+contextHash+`", "tags": ["`+tag+`"]}`), state{})
		return errOr(t, o, err)
	}
	if err := op(kept, "a.io/x:{hash}").honest(built); err == nil || !strings.Contains(err.Error(), "ignoreChanges") {
		t.Errorf("got %v", err)
	}
	for _, fine := range []error{
		op(kept, "a.io/x:{hash}").honest(kept), op(kept, "a.io/x:1").honest(built), op("release-7", "a.io/x:{hash}").honest(built),
	} {
		if fine != nil {
			t.Error(fine)
		}
	}
}

func errOr[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

package provider

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

func TestCheckOfHashTags(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"a.io/x:{hash}":                                    "",
		"a.io/x:v1-{hash}-arm":                             "",
		"a.io:5000/x:{hash}":                               "",
		"a.io/x-{hash}:1":                                  "{hash} in its repository",
		"a.io/{hash}":                                      "{hash} in its repository",
		"a.io:5000/{hash}":                                 "{hash} in its repository",
		"a.io/x:{HASH}":                                    "{HASH}",
		"a.io/x:{hash:12}":                                 "",
		"a.io/x:{hash:8}-{hash:40}":                        "",
		"a.io/x:{hash}-{hash:12}":                          "",
		"a.io/x:{hash:7}":                                  "{hash:7} is not a hash. Write {hash} for all 64 digits",
		"a.io/x:{hash:41}":                                 "8 to 40 digits",
		"a.io/x:{hash:64}":                                 "{hash:64}",
		"a.io/x:{hash:012}":                                "{hash:012}",
		"a.io/x:{hash:}":                                   "{hash:}",
		"a.io/x:{hash:all}":                                "{hash:all}",
		"a.io/x:{hash:-12}":                                "{hash:-12}",
		"a.io/x-{hash:12}:1":                               "{hash:12} in its repository",
		"a.io:5000/{hash:12}":                              "{hash:12} in its repository",
		"a.io/x:" + strings.Repeat("v", 64) + "{hash}":     "",
		"a.io/x:" + strings.Repeat("v", 65) + "{hash}":     "write {hash:12} for a short hash",
		"a.io/x:" + strings.Repeat("v", 116) + "{hash:12}": "",
		"a.io/x:" + strings.Repeat("v", 120) + "{hash}":    "shorten them to 128",
		"a.io/x:feature/{hash}": `tag "a.io/x:feature/{hash}" has "/" after the colon, where only letters, digits, ` +
			`_ . and - may stand; write a.io/x:feature-{hash}`,
		"a.io/x:1+{hash:12}":           "write a.io/x:1-{hash:12}",
		"a.io:5000/x:{hash}/{hash:12}": "write a.io:5000/x:{hash}-{hash:12}",
		"a.io/x:{hash}{hash}-":         "write {hash:12} for a short hash",
	}
	for tag, want := range cases {
		err := explainRegistry(checkTag(tag))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", tag, err, want)
		}
	}
}

func TestHashTagsAmongReferences(t *testing.T) {
	t.Parallel()
	whole := strings.Repeat("0123456789abcdef", 4)
	tags := []registry.Tag{
		refOf(t, "a.io/x:v-"+whole), refOf(t, "a.io/x:w-"+whole[:12]), refOf(t, "a.io/x:plain"), refOf(t, "user/app:1"),
	}
	for given, want := range map[string]bool{
		"a.io/x:v-{hash}": true, "a.io/x:{hash}": false, "a.io/y:v-{hash}": false,
		"a.io/x:plain": true, "docker.io/user/app:1": true,
		"a.io/x:other": false, "a.io/x:v-{hash:12}": false, "a.io/x:w-{hash:12}": true,
		"a.io/x:w-{hash:13}": false, "a.io/x:w-{hash}": false,
		"a.io/x:v.{hash}": false, "a.io/x:{hash:x}": false,
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

// Another machine has pushed the image of the same inputs. This machine has no state, no cache and no builder.
func TestAnImageUnderItsHashIsReused(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t)
	inputs := props(t,
		`{"contextHash": "c1", "platforms": ["linux/amd64", "linux/arm64"], `+
			`"builder": {"endpoint": "unix:///nowhere.sock"}}`).
		Set("tags", list([]string{reg.Host() + "/app:v-{hash}", reg.Host() + "/app:latest"}))
	args, _, err := decode(t.Context(), inputs)
	if err != nil {
		t.Fatal(err)
	}
	hash := inputsHash(args)
	digest := reg.Push(t, "app:v-"+hash, registrytest.Index(t, "linux/amd64", "linux/arm64"))

	before := len(reg.Requests())
	w := dial(t, New(nil), `{}`)
	res, err := w.Create(t.Context(), &pulumirpc.CreateRequest{Urn: string(urn),
		Properties: marshalProperties(t, inputs)})
	if err != nil {
		t.Fatal(err)
	}
	out := unmarshalProperties(t, res.GetProperties())
	refs := []string{reg.Host() + "/app:v-" + hash, reg.Host() + "/app:latest"}
	if text(out, "digest") != digest || !slices.Equal(texts(out, "refs"), refs) ||
		!slices.Equal(texts(out, "tags"), texts(inputs, "tags")) {
		t.Errorf("got %v", out)
	}
	if diff, err := serve(t).Diff(p.DiffRequest{ID: "app", Urn: urn, State: out, Inputs: inputs}); err != nil ||
		diff.HasChanges {
		t.Errorf("afterwards: %+v, %v", diff, err)
	}
	writes := slices.DeleteFunc(reg.Requests()[before:],
		func(r registrytest.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead })
	if len(writes) != 1 || !strings.HasSuffix(writes[0].Path, "/manifests/latest") {
		t.Errorf("written: %+v, want the other tag alone", writes)
	}
}

// An attacker has pushed an image under the beginning of the hash, from inputs that were made to have the same
// beginning. It is not reused. The test has no builder, so the build fails.
func TestAnImageUnderAShortHashIsNotReused(t *testing.T) {
	t.Parallel()
	for _, given := range []string{"/app:v-{hash}", "/app:v-{hash:12}", "/app:v-{hash:40}"} {
		for _, preview := range []bool{false, true} {
			reg := registrytest.New(t)
			nowhere := "unix://" + t.TempDir() + "/buildkitd.sock"
			inputs := props(t,
				`{"contextHash": "c1", "platforms": ["linux/amd64"], "dockerfile": {"inline": "FROM scratch"}}`).
				Set("builder", property.New(props(t, `{"endpoint": "`+nowhere+`"}`))).
				Set("tags", list([]string{reg.Host() + given}))
			args, _, err := decode(t.Context(), inputs)
			if err != nil {
				t.Fatal(err)
			}
			hash := inputsHash(args)
			for _, digits := range []int{12, 40} {
				reg.Push(t, "app:v-"+hash[:digits], registrytest.Index(t, "linux/amd64"))
			}
			_, err = serve(t).Create(p.CreateRequest{Urn: urn, Properties: inputs, DryRun: preview})
			if err == nil || !strings.Contains(err.Error(), nowhere) {
				t.Errorf("%s, preview %v: got %v", given, preview, err)
			}
		}
	}
}

// ignoreChanges keeps a hash of other files than those that would be built.
func TestHashTagsOfAPinnedHash(t *testing.T) {
	t.Parallel()
	kept, built := strings.Repeat("a", 64), strings.Repeat("b", 64)
	op := func(contextHash, tag string) operation {
		return operationOf(t, urn, props(t, `{"contextHash": "`+contextHash+`", "tags": ["`+tag+`"]}`), state{})
	}
	if err := op(kept, "a.io/x:{hash}").checkPinnedHashTag(built); err == nil ||
		!strings.Contains(err.Error(), "ignoreChanges") {
		t.Errorf("got %v", err)
	}
	if err := op(kept, "a.io/x:{hash:12}").checkPinnedHashTag(built); err == nil {
		t.Error("a short hash of other files is taken")
	}
	for _, fine := range []error{
		op(kept, "a.io/x:{hash}").checkPinnedHashTag(kept), op(kept,
			"a.io/x:1").checkPinnedHashTag(built), op("release-7", "a.io/x:{hash}").checkPinnedHashTag(built),
	} {
		if fine != nil {
			t.Error(fine)
		}
	}
}

func must[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

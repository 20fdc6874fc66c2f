package provider

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// pushCases holds inputs with what is pushed: the tags, "nothing", or "unknown". The rules are docker-build's, where
// push is required.
var pushCases = map[string]struct{ inputs, want string }{
	"nothing":       {`{}`, "nothing"},
	"tags":          {`{"tags": ["a.io/b:1"]}`, "a.io/b:1"},
	"tags, no push": {`{"tags": ["a.io/b:1"], "push": false}`, "nothing"},
	"a registry": {
		`{"tags": ["a.io/b:1"], "push": false, "exports": [{"registry": {}}]}`,
		"a.io/b:1",
	},
	"a registry, no push": {
		`{"tags": ["a.io/b:1"], "push": false, "exports": [{"registry": {"push": false}}]}`,
		"nothing",
	},
	"a registry, a push": {
		`{"tags": ["a.io/b:1"], "push": true, "exports": [{"registry": {"push": false}}]}`,
		"a.io/b:1",
	},
	"a registry that is silent": {`{"tags": ["a.io/b:1"], "exports": [{"registry": {"push": false}}]}`, "nothing"},
	"an image":                  {`{"tags": ["a.io/b:1"], "push": false, "exports": [{"image": {}}]}`, "nothing"},
	"an image, push by default": {`{"tags": ["a.io/b:1"], "exports": [{"image": {}}]}`, "a.io/b:1"},
	"an image, a push": {
		`{"tags": ["a.io/b:1"], "push": false, "exports": [{"image": {"push": true}}]}`,
		"a.io/b:1",
	},
	"an image that is silent": {`{"tags": ["a.io/b:1"], "exports": [{"image": {"push": false}}]}`, "nothing"},
	"names": {
		`{"push": false, "exports": [{"registry": {"names": ["a.io/b:1", "a.io/c"]}}]}`,
		"a.io/b:1 a.io/c:latest",
	},
	"names, not pushed":     {`{"exports": [{"image": {"names": ["a.io/b:1"]}}]}`, "nothing"},
	"names, pushed by push": {`{"push": true, "exports": [{"image": {"names": ["a.io/b:1"]}}]}`, "a.io/b:1"},
	"names of the one that does": {
		`{"exports": [{"image": {"names": ["a.io/b:1"]}}, {"registry": {"names": ["a.io/c:1"]}}]}`,
		"a.io/c:1",
	},
	"tags before names": {
		`{"tags": ["a.io/t:1"], "exports": [{"registry": {"names": ["a.io/b:1"]}}]}`,
		"a.io/t:1",
	},
	"raw": {
		`{"push": false, "exports": [{"raw": "type=registry,\"name=a.io/b:1,a.io/c:1\""}]}`,
		"a.io/b:1 a.io/c:1",
	},
	"raw image": {
		`{"exports": [{"raw": "type=image,name=a.io/b:1,push=true,provenance=false"}]}`,
		"a.io/b:1",
	},
	"raw, no push": {
		`{"tags": ["a.io/b:1"], "push": false, "exports": [{"raw": "type=registry,push=false"}]}`,
		"nothing",
	},
	"disabled": {
		`{"tags": ["a.io/b:1"], "push": false, "exports": [{"registry": {}, "disabled": true}]}`,
		"nothing",
	},
	"an unknown push": {`{"tags": ["a.io/b:1"], "push": "?"}`, "unknown"},
	"an unknown push of one": {
		`{"tags": ["a.io/b:1"], "push": false, "exports": [{"image": {"push": "?"}}]}`,
		"unknown",
	},
	"an unknown folder": {`{"tags": ["a.io/b:1"], "exports": [{"local": {"dest": "?"}}]}`, "a.io/b:1"},
	"unknown names":     {`{"exports": [{"registry": {"names": ["a.io/b:1", "?"]}}]}`, "unknown"},
	"unknown tags":      {`{"tags": ["a.io/b:1", "?"]}`, "unknown"},
}

func TestWhatIsPushed(t *testing.T) {
	t.Parallel()
	for name, c := range pushCases {
		op := operationOf(t, urn, props(t, c.inputs), state{})
		got := strings.Join(references(op.tags.list), " ")
		switch {
		case !op.tags.complete:
			got = "unknown"
		case got == "":
			got = "nothing"
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// What is pushed where does not shape the image.
func TestNamesAreInNoHash(t *testing.T) {
	t.Parallel()
	plain := operationOf(t, urn, props(t, `{"exports": [{"registry": {}}]}`), state{})
	for _, inputs := range []string{
		`{"exports": [{"registry": {"names": ["a.io/b:1"], "push": true, "pushByDigest": true, "insecure": true}}]}`,
		`{"exports": [{"raw": "type=registry,name=a.io/b:1,push=true,push-by-digest=true,insecure=true"}]}`,
	} {
		op := operationOf(t, urn, props(t, inputs), state{})
		if op.hash != plain.hash || len(op.plan.ImageOptions) > 0 {
			t.Errorf("%s: options %v, hash %s", inputs, op.plan.ImageOptions, op.hash)
		}
	}
}

// Names that are not pushed need only be names for whatever takes the image.
func TestCheckOfLocalNames(t *testing.T) {
	t.Parallel()
	for inputs, want := range map[string]string{
		`"tags": ["app:latest", "UPPER/app:1", "app"], "push": false`:                     "",
		`"tags": ["app:{hash}", "app:{hash:12}"], "push": false`:                          "",
		`"tags": ["app:latest"], "push": false, "load": true`:                             "",
		`"tags": ["acme/app"], "exports": [{"image": {"push": false}}]`:                   "",
		`"tags": ["app:latest"], "push": "?"`:                                             "",
		`"tags": ["app/Web:1"], "push": false, "load": true`:                              "tags[0]",
		`"tags": ["a b"], "push": false`:                                                  "tags[0]",
		`"tags": ["app:{hash:1}"], "push": false`:                                         "tags[0]",
		`"tags": [""], "push": false`:                                                     "tags[0]",
		`"tags": ["app:latest"]`:                                                          "tags[0]",
		`"tags": ["app:latest"], "push": false, "exports": [{"registry": {}}]`:            "tags[0]",
		`"push": false, "exports": [{"image": {"names": ["app:latest"], "store": true}}]`: "",
	} {
		res := runCheck(t, `{"context": {"location": "APP"}, `+inputs+`}`)
		paths := ""
		for _, failure := range res.Failures {
			paths += failure.Property
		}
		if paths != want {
			t.Errorf("%s: %v, want a failure of %q", inputs, res.Failures, want)
		}
	}
}

// The output ref of an image that is not pushed is its first name.
func TestRefOfALocalImage(t *testing.T) {
	t.Parallel()
	for inputs, want := range map[string]string{
		`{"contextHash": "c1", "tags": ["acme/app:1", "other:1"], "push": false, "load": true}`: "acme/app:1",
		`{"contextHash": "c1", "tags": ["app:{hash:12}"], "push": false, "load": true}`:         "app:SHORT",
		`{"contextHash": "c1", "exports": [{"image": {"names": ["app:1"]}}]}`:                   "app:1",
		`{"contextHash": "c1", "exports": [{"oci": {"dest": "a"}}]}`:                            "",
		`{"contextHash": "c1", "tags": ["app:1"], "push": false}`:                               "",
		`{"contextHash": "?", "tags": ["app:{hash}"], "push": false, "load": true}`:             "?",
		`{"contextHash": "?", "tags": ["app:1"], "push": false, "load": true}`:                  "app:1",
		`{"contextHash": "c1", "tags": ["?"], "push": false, "load": true}`:                     "?",
		`{"contextHash": "c1", "tags": ["app:1"], "push": "?", "load": true}`:                   "?",
	} {
		op := operationOf(t, urn, props(t, inputs), state{})
		if strings.HasSuffix(want, "SHORT") {
			want = strings.ReplaceAll(want, "SHORT", op.hash[:12])
		}
		ref := previewOutputs(op, image{}, true).Get("ref")
		if want == "?" && !ref.IsComputed() || want != "?" && (!ref.IsString() || ref.AsString() != want) {
			t.Errorf("%s: ref is %v, want %q", inputs, ref, want)
		}
		if want != "?" && (applyResult{}).outputs(op).Get("ref").AsString() != want {
			t.Errorf("%s: applied, ref is %v", inputs, (applyResult{}).outputs(op).Get("ref"))
		}
	}
}

// A name that no longer holds the image leaves its export, so that Diff shows it.
func TestNamesThatMovedLeaveExports(t *testing.T) {
	t.Parallel()
	given := props(t, `{"exports": [{"registry": {"names": ["a.io/b:1", "a.io/c:1"]}}, {"tar": {"dest": "a"}},
		{"raw": "type=registry,\"name=a.io/b:1,a.io/c:1\",store=true"}, {"raw": "type=image,name=a.io/c:1"},
		{"image": {"names": ["local/c:1"]}}, {"registry": {"names": ["a.io/c:1"]}, "disabled": true}]}`)
	left := withNames(given, func(name string) bool { return name == "a.io/b:1" })
	want := props(t, `{"exports": [{"registry": {"names": ["a.io/b:1"]}}, {"tar": {"dest": "a"}},
		{"raw": "type=registry,name=a.io/b:1,store=true"}, {"raw": "type=image,name=a.io/c:1"},
		{"image": {"names": ["local/c:1"]}}, {"registry": {"names": ["a.io/c:1"]}, "disabled": true}]}`)
	if !property.New(left).Equals(property.New(want)) {
		t.Errorf("left: %v", left)
	}
	stored := withNames(props(t, `{"exports": [{"image": {"names": ["a", "b"]}}]}`), func(name string) bool {
		return name == "b"
	})
	if names := knownNames(stored); !slices.Equal(names, []string{"b"}) {
		t.Errorf("names of an image that is not pushed: %v", names)
	}
	tags := withNames(props(t, `{"tags": ["a", "b"]}`), func(name string) bool { return name == "b" })
	if names := knownNames(tags); !slices.Equal(names, []string{"b"}) {
		t.Errorf("tags: %v", names)
	}
}

// An insecure export makes the hosts of its names insecure. A login for one of them stays, and so does its CA file.
func TestInsecureNames(t *testing.T) {
	t.Parallel()
	inputs := props(t, `{"registries": [{"address": "a.io", "username": "me"}, {"address": "c.io", "caFile": "ca.pem"}],
		"exports": [{"registry": {"names": ["a.io/app:1", "b.io:5000/app:1", "c.io/app:1"], "insecure": true}}]}`)
	args, err := decodeStored(t.Context(), inputs)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, r := range args.Registries {
		got[r.Address+" "+deref(r.Username)] = deref(r.Insecure)
	}
	if want := map[string]bool{"a.io me": true, "b.io:5000 ": true, "c.io ": false}; !maps.Equal(got, want) {
		t.Errorf("insecure: %v, want %v", got, want)
	}
}

// Options may stand behind the reference of a cache. Members come before them.
func TestOptionsBehindAReference(t *testing.T) {
	t.Parallel()
	for ref, want := range map[string]string{
		"a.io/b:c":                      "image-manifest=true mode=max oci-mediatypes=true",
		"a.io/b:c,mode=min":             "image-manifest=true mode=max oci-mediatypes=true",
		"a.io/b:c,compression=zstd":     "compression=zstd image-manifest=true mode=max oci-mediatypes=true",
		"a.io/b:c,oci-mediatypes=false": "image-manifest=false mode=max oci-mediatypes=false",
		"a.io/b:c,ignore-error=true":    "ignore-error=true image-manifest=true mode=max oci-mediatypes=true",
	} {
		args, _, err := decode(t.Context(), props(t, `{"cacheTo": [{"registry": {"ref": "`+ref+`", "mode": "max"}}]}`))
		if err != nil {
			t.Fatal(err)
		}
		_, to, err := caches(args)
		if err != nil || len(to) != 1 || formatOptions(to[0].Options) != want+" ref=a.io/b:c" {
			t.Errorf("%s: %v, %v, want %s", ref, to, err, want)
		}
	}
}

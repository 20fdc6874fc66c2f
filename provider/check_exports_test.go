package provider

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// wrongExports holds exports that Check refuses: the path of the failure and a part of its reason.
var wrongExports = map[string]struct{ inputs, path, reason string }{
	"nothing": {
		`"exports": [{}]`, "exports[0]", "one of tar, local, registry, image, oci, docker, cacheonly, raw",
	},
	"two things": {
		`"exports": [{"tar": {"dest": "a"}, "local": {"dest": "b"}}]`, "exports[0]",
		"it is one of tar, local: keep one of them",
	},
	"no path":             {`"exports": [{"tar": {"dest": ""}}]`, "exports[0].tar", "dest is needed"},
	"no path of an image": {`"exports": [{"oci": {}}]`, "exports[0].oci", "dest is needed"},
	"no path, raw":        {`"exports": [{"raw": "type=oci"}]`, "exports[0].raw", "dest is needed"},
	"standard output":     {`"exports": [{"raw": "type=tar,dest=-"}]`, "exports[0].raw", "dest is needed"},
	"another type": {
		`"exports": [{"raw": "type=zip,dest=a"}]`, "exports[0].raw", "type=zip is not known",
	},
	"raw nonsense": {
		`"exports": [{"raw": "type=oci,dest"}]`, "exports[0].raw", `"dest" is not name=value`,
	},
	"two images": {
		withTag + `"exports": [{"image": {"store": true}}, {"registry": {}}]`, "exports[1].registry",
		"another entry says that it is written otherwise",
	},
	"a name": {
		`"exports": [{"registry": {"names": ["a.io/c:1", "c:1"]}}]`, "exports[0].registry.names[1]", `tag "c:1"`,
	},
	"a name, raw": {
		`"exports": [{"raw": "type=registry,name=c:1"}]`, "exports[0].raw", `tag "c:1"`,
	},
	"a registry without names": {
		`"push": false, "exports": [{"registry": {}}]`, "exports[0].registry", "there is nothing to push to",
	},
	"an image without names": {
		`"exports": [{"image": {"push": true}}]`, "exports[0].image", "there is nothing to push to",
	},
	"a raw registry without names": {
		`"exports": [{"raw": "type=registry"}]`, "exports[0].raw", "there is nothing to push to",
	},
	"provenance of an export": {
		withTag + `"exports": [{"raw": "type=image,provenance=true"}]`, "exports[0].raw", "set the input provenance",
	},
	"no OCI annotations": {
		withTag + `"annotations": {"a": "b"}, "exports": [{"image": {"ociMediaTypes": false}}]`, "exports[0].image",
		"need the media types of OCI",
	},
	"another compression": {
		`"exports": [{"image": {"compression": "lzma"}}]`, "exports[0].image.compression", `"lzma" is not known`,
	},
	"too high a level": {
		`"exports": [{"oci": {"dest": "a", "compression": "zstd", "compressionLevel": 23}}]`,
		"exports[0].oci.compressionLevel", "0 to 22",
	},
	"platforms for docker": {
		`"platforms": ["linux/amd64", "linux/arm64"], "exports": [{"docker": {"dest": "a"}}]`, "exports[0].docker",
		"takes an image of one platform",
	},
	"a secret": {
		withTag + `"exports": [{"image": {"annotations": {"a": "secret:hunter2"}}}]`, "",
		"exports: exports are repeated in the outputs",
	},
}

func TestCheckOfExports(t *testing.T) {
	t.Parallel()
	for name, c := range wrongExports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantOneFailure(t, `{"context": {"location": "APP"}, `+c.inputs+`}`, c.path, c.reason)
		})
	}
}

// exportOptions holds inputs with the options of the image, and the exports beside it as BuildKit gets them.
var exportOptions = map[string]struct{ inputs, image, beside string }{
	"none": {`{}`, "", ""},
	"files": {
		`{"exports": [{"tar": {"dest": "a.tar"}}, {"local": {"dest": "a"}}]}`, "", "tar; local -> a",
	},
	"archives": {
		`{"exports": [{"oci": {"dest": "a"}}, {"docker": {"dest": "b", "names": ["c:1", "d:1"], ` +
			`"annotations": {"e": "f"}}}]}`,
		"", "oci; docker annotation.e=f name=c:1,d:1",
	},
	"named by tags": {
		`{"tags": ["a.io/b:1"], "exports": [{"oci": {"dest": "a", "names": ["c:1"]}}]}`, "", "oci name=a.io/b:1",
	},
	"of one time": {
		`{"sourceDateEpoch": 1, "exports": [{"oci": {"dest": "a"}}]}`, "", "oci rewrite-timestamp=true",
	},
	"an image": {
		`{"tags": ["a.io/b:1"], "exports": [{"registry": {"compression": "zstd", "compressionLevel": 3, ` +
			`"forceCompression": true, "push": true, "store": true}}]}`,
		"compression=zstd compression-level=3 force-compression=true store=true", "",
	},
	"annotated": {
		`{"exports": [{"image": {"annotations": {"a": "b,c"}, "ociMediaTypes": true}}]}`,
		"annotation.a=b,c oci-mediatypes=true", "",
	},
	"raw": {
		`{"exports": [{"raw": "out"}, {"raw": "type=local,dest=b"}, {"raw": "type=image,compression=zstd"}, ` +
			`{"raw": "type=oci,dest=c,tar=false"}]}`,
		"compression=zstd", "local -> out; local -> b; oci",
	},
	"loaded": {`{"tags": ["a.io/b:1"], "load": true}`, "", "docker name=a.io/b:1"},
	"by the hash": {
		`{"tags": ["a.io/b:{hash}", "c:{hash:12}"], "push": false, "load": true}`, "",
		"docker name=a.io/b:HASH,c:SHORT",
	},
	"nothing at all": {
		`{"exports": [{"cacheonly": {}}, {"tar": {"dest": "a"}, "disabled": true}], "load": false}`, "", "",
	},
}

// Each export becomes these options of BuildKit, and goes to this place.
func TestExportsBecomeOptions(t *testing.T) {
	t.Parallel()
	for name, c := range exportOptions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			op := operationOf(t, urn, props(t, c.inputs).Set("push", property.New(false)), state{})
			args := op.args
			var beside []string
			for _, e := range mustExports(t, op) {
				line := strings.TrimSpace(e.Type + " " + formatOptions(e.Options))
				if e.Dir != "" {
					line += " -> " + e.Dir
				}
				if (e.Dir == "") == (e.Open == nil) {
					t.Errorf("%s goes to %q, %v", line, e.Dir, e.Open == nil)
				}
				beside = append(beside, line)
			}
			c.beside = strings.ReplaceAll(c.beside, "HASH", inputsHash(args))
			c.beside = strings.ReplaceAll(c.beside, "SHORT", inputsHash(args)[:12])
			if got := strings.Join(beside, "; "); got != c.beside || formatOptions(imageOptions(args)) != c.image {
				t.Errorf("got  %s | %s\nwant %s | %s", formatOptions(imageOptions(args)), got, c.image, c.beside)
			}
			preview := op.withoutOutput()
			left := mustExports(t, preview)
			if len(left) > 0 || formatOptions(imageOptions(preview.args)) != c.image {
				t.Errorf("a preview would leave %v and write the image with %v", left, imageOptions(preview.args))
			}
			if got := hasOtherExports(op.exports); got != (c.beside != "") {
				t.Errorf("leaves something: %v", got)
			}
		})
	}
}

func formatOptions(options map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(options)) {
		parts = append(parts, fmt.Sprintf("%s=%s", name, options[name]))
	}
	return strings.Join(parts, " ")
}

// Only a build writes exports. So an image with exports is built even if the registry already has it, unless nothing
// changed.
func TestOnlyABuildWritesExports(t *testing.T) {
	t.Parallel()
	r := newRemembered(t)
	op := func(extra string) operation {
		inputs := r.newInputs(t, "app:v1")
		for k, v := range props(t, extra).All {
			inputs = inputs.Set(k, v)
		}
		return operationOf(t, urn, inputs, stateOf(r.state))
	}
	for inputs, want := range map[string]string{
		`{}`:                                    r.digest,
		`{"exports": [{"cacheonly": {}}]}`:      r.digest,
		`{"exports": [{"tar": {"dest": "a"}}]}`: "",
		`{"load": true}`:                        "",
		`{"load": false}`:                       r.digest,
		`{"exports": [{"image": {"compression": "zstd"}}]}`: "", // another image
		`{"exports": [{"image": {"store": true}}]}`:         r.digest,
	} {
		if got := op(inputs).pastDigest(); got != want {
			t.Errorf("%s: known as %q, want %q", inputs, got, want)
		}
	}
	same := op(`{"load": true}`)
	same = operationOf(t, urn, same.inputs, stateOf(repeatedInputs(same.inputs).Set("digest", property.New(r.digest))))
	if same.pastDigest() == "" {
		t.Error("what was left already is left again")
	}
}

// mustExports returns what a build writes besides the pushed image.
func mustExports(t *testing.T, op operation) []buildkit.Export {
	t.Helper()
	exports, err := otherExports(t.Context(), op, nil)
	if err != nil {
		t.Fatal(err)
	}
	return exports
}

package provider

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// wrongCaches holds caches that Check refuses: the path of the failure and a part of its reason.
var wrongCaches = map[string]struct{ inputs, path, reason string }{
	"mounts without a place": {`"cacheMounts": {"save": true}`, "cacheMounts.ref", "there is no repository: write"},
	"mounts with a tag": {
		`"cacheMounts": {"ref": "localhost:5000/mounts:main"}`, "cacheMounts.ref", "has a tag or a digest",
	},
	"mounts without a size": {
		`"cacheMounts": {"ref": "a.io/m", "maxSize": "much"}`, "cacheMounts.maxSize", "not a size",
	},
	"mounts without an id": {
		`"cacheMounts": {"ref": "a.io/m", "ids": ["a", ""]}`, "cacheMounts.ids[1]", "give the id",
	},
	"nothing": {`"cacheFrom": [{}]`, "cacheFrom[0]", "one of registry, local, s3, gha, azblob, raw"},
	"two things": {
		`"cacheTo": [{"inline": {}}, {"inline": {}, "local": {"dest": "a"}}]`, "cacheTo[1]",
		"it is one of local, inline: keep one of them",
	},
	"two, one not known": {
		`"cacheTo": [{"inline": {}, "registry": {"ref": "?"}}]`, "cacheTo[0]", "it is one of registry, inline",
	},
	"no reference": {
		`"cacheFrom": [{"registry": {"ref": "A"}}]`, "cacheFrom[0].registry.ref", `"A" is not a reference`,
	},
	"no reference, written": {
		`"cacheTo": [{"registry": {"ref": ""}}]`, "cacheTo[0].registry.ref", "is not a reference",
	},
	"no header": {
		`"cacheTo": [{"local": {"dest": "caché"}}]`, "cacheTo[0].local.dest",
		"printable ASCII only: name another folder",
	},
	"no folder": {
		`"cacheFrom": [{"local": {"src": ""}}]`, "cacheFrom[0].local.src", "give the path of a folder",
	},
	"no digest": {
		`"cacheFrom": [{"local": {"src": "a", "digest": "b"}}]`, "cacheFrom[0].local.digest", `"b" is not a digest`,
	},
	"no bucket": {
		`"cacheTo": [{"s3": {"bucket": ""}}]`, "cacheTo[0].s3.bucket", "give the name of the bucket",
	},
	"half a key": {
		`"cacheTo": [{"s3": {"bucket": "b", "accessKeyId": "a"}}]`, "cacheTo[0].s3.accessKeyId", "both, or neither",
	},
	"no name": {
		`"cacheFrom": [{"azblob": {"name": ""}}]`, "cacheFrom[0].azblob.name", "give the name of the cache",
	},
	"another mode": {
		`"cacheTo": [{"gha": {"mode": "all"}}]`, "cacheTo[0].gha.mode", `"all" is not known: it is min or max`,
	},
	"another compression": {
		`"cacheTo": [{"local": {"dest": "a", "compression": "lzma"}}]`, "cacheTo[0].local.compression",
		"it is gzip, zstd, estargz or uncompressed",
	},
	"too high a level": {
		`"cacheTo": [{"registry": {"ref": "a.io/b", "compressionLevel": 10}}]`,
		"cacheTo[0].registry.compressionLevel", "10 is not a level of gzip: write 0 to 9",
	},
	"not an OCI manifest": {
		`"cacheTo": [{"registry": {"ref": "a.io/b", "ociMediaTypes": false, "imageManifest": true}}]`,
		"cacheTo[0].registry.imageManifest", "leave ociMediaTypes out",
	},
	"raw without a type": {`"cacheFrom": [{"raw": "ref=a,b=c"}]`, "cacheFrom[0].raw", "has no type: write type=…"},
	"raw nonsense": {
		`"cacheTo": [{"raw": "type=registry,ref"}]`, "cacheTo[0].raw", `"ref" is not name=value`,
	},
	"an unknown option": {
		`"cacheTo": [{"inline": {}}, {"s3": {"bucket": "b", "compression": "gzip"}}]`, "cacheTo[1].s3.compression",
		"there is no such property here",
	},
	"a bad quote": {`"cacheTo": [{"raw": "type=registry,\"a"}]`, "cacheTo[0].raw", "extraneous or missing"},
}

func TestCheckOfCaches(t *testing.T) {
	t.Parallel()
	for name, c := range wrongCaches {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantOneFailure(t, `{"context": {"location": "APP"}, `+c.inputs+`}`, c.path, c.reason)
		})
	}
}

// The inputs of caches become these options of BuildKit.
func TestCachesBecomeOptions(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	for _, name := range []string{
		"AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_CACHE_URL", "ACTIONS_RESULTS_URL",
	} {
		t.Setenv(name, "")
	}
	wantCaches(t, `{`+everyCache+`}`, `registry ref=a.io/b:c
local src=in
registry ref=a.io/b
azblob account_url=https://a.blob name=n secret_access_key=CANARY-1
s3 access_key_id=a bucket=b endpoint_url=https://e name=n region=r secret_access_key=CANARY-2 session_token=CANARY-3 `+
		`use_path_style=true
to registry image-manifest=true mode=max oci-mediatypes=true ref=a.io/b:c
to local compression=zstd compression-level=22 dest=out ignore-error=true
to inline
to azblob mode=min name=n secret_access_key=CANARY-4
to s3 access_key_id=a bucket=b region=r secret_access_key=CANARY-5 session_token=CANARY-6`)
	wantCaches(t, `{"cacheTo": [{"registry": {"ref": "a.io/b", "ociMediaTypes": false}}, `+
		`{"raw": "type=local,dest=a,\"mode=b,c\""}], "cacheFrom": [{"raw": "a.io/b:c"}]}`,
		"registry ref=a.io/b:c\nto registry image-manifest=false oci-mediatypes=false ref=a.io/b\nto local dest=a "+
			"mode=b,c")
	wantCaches(t, `{"cacheFrom": [{"s3": {"bucket": "b"}}]}`,
		"cacheFrom[0]: s3 needs a region: give s3.region, or set AWS_REGION where pulumi runs")
}

// Values that the program does not set come from the environment when a build starts. None of them becomes an input.
func TestCachesUseTheEnvironment(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "eu-west-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIA")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_SESSION_TOKEN", "token")
	t.Setenv("ACTIONS_RUNTIME_TOKEN", "job")
	t.Setenv("ACTIONS_CACHE_URL", "")
	t.Setenv("ACTIONS_RESULTS_URL", "https://results")
	t.Setenv("ACTIONS_CACHE_SERVICE_V2", "True")
	inputs := `{"cacheFrom": [{"s3": {"bucket": "b"}}, {"s3": {"bucket": "b", "region": "r", "accessKeyId": "a", ` +
		`"secretAccessKey": "s"}}, {"gha": {}}], "cacheTo": [{"raw": "type=gha,scope=x"}]}`
	wantCaches(t, inputs, `s3 access_key_id=AKIA bucket=b region=eu-west-1 secret_access_key=secret session_token=token
s3 access_key_id=a bucket=b region=r secret_access_key=s
gha token=job url_v2=https://results version=2
to gha scope=x token=job url_v2=https://results version=2`)
	res, err := serve(t).Check(p.CheckRequest{
		Urn: urn, Inputs: props(t, inputs).Set("contextHash", property.New("by hand")),
	})
	if err != nil || strings.Contains(fmt.Sprintf("%#v", property.New(res.Inputs)), "AKIA") {
		t.Errorf("got %#v, %v", res.Inputs, err)
	}
}

func wantCaches(t *testing.T, inputs, want string) {
	t.Helper()
	args, failures, err := decode(t.Context(), props(t, inputs))
	if err != nil || len(failures) > 0 {
		t.Fatal(failures, err)
	}
	from, to, err := caches(args)
	lines := append(formatCaches("", from), formatCaches("to ", to)...)
	if err != nil {
		lines = []string{err.Error()}
	}
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func formatCaches(prefix string, caches []buildkit.Cache) (lines []string) {
	for _, c := range caches {
		line := prefix + c.Type
		for _, name := range slices.Sorted(maps.Keys(c.Options)) {
			line += " " + name + "=" + c.Options[name]
		}
		lines = append(lines, line)
	}
	return lines
}

// A preview exports no cache, except an inline cache, which is a part of the image.
func TestPreviewsWriteNoCache(t *testing.T) {
	t.Parallel()
	args, _, err := decode(t.Context(), props(t, `{`+everyCache+`}`))
	if err != nil {
		t.Fatal(err)
	}
	op := operation{args: args}
	if _, to, err := caches(op.withoutOutput().args); err != nil ||
		strings.Join(formatCaches("", to), "\n") != "inline" {
		t.Errorf("got %v, %v", to, err)
	}
	if _, to, err := caches(op.args); err != nil || len(to) < 4 {
		t.Errorf("got %v, %v: the update's are gone too", to, err)
	}
}

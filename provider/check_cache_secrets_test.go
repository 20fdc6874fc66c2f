package provider

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// everyCache has every member once, with a secret in each input that may hold one.
const everyCache = `"cacheFrom": [
	{"registry": {"ref": "a.io/b:c"}}, {"local": {"src": "in"}}, {"gha": {"scope": "s"}},
	{"raw": "type=registry,ref=a.io/b"},
	{"azblob": {"name": "n", "accountUrl": "https://a.blob", "secretAccessKey": "CANARY-1"}},
	{"s3": {"region": "r", "bucket": "b", "name": "n", "endpointUrl": "https://e", "usePathStyle": true,
		"accessKeyId": "a", "secretAccessKey": "CANARY-2", "sessionToken": "CANARY-3"}},
	{"disabled": true}
], "cacheTo": [
	{"registry": {"ref": "a.io/b:c", "mode": "max"}},
	{"local": {"dest": "out", "compression": "zstd", "compressionLevel": 22, "ignoreError": true}},
	{"inline": {}}, {"gha": {}},
	{"azblob": {"name": "n", "secretAccessKey": "CANARY-4", "mode": "min"}},
	{"s3": {"region": "r", "bucket": "b", "accessKeyId": "a",
		"secretAccessKey": "CANARY-5", "sessionToken": "CANARY-6"}},
	{"local": {"dest": ""}, "inline": {}, "disabled": true}
]`

// The decoder of infer confuses secretness and unknown values in nested inputs. Every secret must stay a secret, and no
// value may be lost.
func TestSecretsOfCachesStaySecret(t *testing.T) {
	t.Parallel()
	for name, inputs := range map[string]string{
		"plain":  everyCache,
		"marked": strings.ReplaceAll(everyCache, "CANARY", "secret:CANARY"),
		"some marked": strings.ReplaceAll(strings.ReplaceAll(everyCache, "CANARY-3", "secret:CANARY-3"),
			"CANARY-5", "secret:CANARY-5"),
		"some not known": strings.ReplaceAll(strings.ReplaceAll(everyCache, `"accessKeyId": "a"`,
			`"accessKeyId": "?"`), "CANARY-6", "?"),
		"neighbors marked": strings.ReplaceAll(everyCache, `"accessKeyId": "a"`, `"accessKeyId": "secret:a"`),
		"marked and unknown": strings.ReplaceAll(strings.ReplaceAll(everyCache, "CANARY", "secret:CANARY"),
			`"region": "r"`, `"region": "?"`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := runCheck(t, `{"context": {"location": "APP"}, `+inputs+`}`)
			if len(res.Failures) > 0 {
				t.Fatal(res.Failures)
			}
			for _, input := range []string{"cacheFrom", "cacheTo"} {
				if found := plainCanaries(res.Inputs.Get(input)); len(found) > 0 {
					t.Errorf("%s: in clear: %q", input, found)
				}
				given := props(t, "{"+inputs+"}").Get(input)
				if got := res.Inputs.Get(input); !plainProperties(got).Equals(plainProperties(given)) {
					t.Errorf("%s: got %#v, want %#v", input, got, given)
				}
			}
		})
	}
}

// plainCanaries returns the canaries in a value that are not marked as secrets.
func plainCanaries(v property.Value) (found []string) {
	switch {
	case v.Secret():
	case v.IsString() && strings.HasPrefix(v.AsString(), "CANARY"):
		return []string{v.AsString()}
	case v.IsMap():
		for _, e := range v.AsMap().All {
			found = append(found, plainCanaries(e)...)
		}
	case v.IsArray():
		for _, e := range v.AsArray().All {
			found = append(found, plainCanaries(e)...)
		}
	}
	return found
}

// plainProperties returns a value without secretness and without nulls.
func plainProperties(v property.Value) property.Value {
	switch {
	case v.IsMap():
		fields := map[string]property.Value{}
		for k, e := range v.AsMap().All {
			if !e.IsNull() {
				fields[k] = plainProperties(e)
			}
		}
		return property.New(fields)
	case v.IsArray():
		var list []property.Value
		for _, e := range v.AsArray().All {
			list = append(list, plainProperties(e))
		}
		return property.New(list)
	}
	return v.WithSecret(false)
}

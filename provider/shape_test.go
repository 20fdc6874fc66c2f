package provider

import (
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
)

// Languages without types may send any value. Each wrong value is reported by its path, in words of the schema, and is
// not quoted.
func TestCheckNamesValuesOfTheWrongType(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ inputs, want string }{
		"another kind":        {`{"platforms": "linux/amd64"}`, "platforms: it must be a list, and is a text"},
		"another kind inside": {`{"tags": ["a.io/x:1", 5]}`, "tags[1]: it must be a text, and is a number"},
		"in a map": {
			`{"buildArgs": {"A": true}}`, "buildArgs.A: it must be a text, and is true or false",
		},
		"no object": {
			`{"builder": "tcp://h:1"}`, "builder: it must be an object with endpoint, name, tls, and is a text",
		},
		"an extra property in a list": {
			`{"registries": [{"address": "a.io", "pasword": "secret:canary"}]}`,
			"registries[0].pasword: there is no such property here; there are address, caFile, insecure, password, " +
				"username",
		},
		"something missing": {
			`{"registries": [{"username": "u"}]}`, "registries[0].address: it is missing, and required",
		},
		"missing in a map": {
			`{"context": {"named": {"a.b": {}}}}`, `context.named["a.b"].location: it is missing, and required`,
		},
		"an unknown fits": {
			`{"platforms": "?", "registries": ["?"], "tags": ["a.io/x:1", "?"], "builder": "?", "contextHash": "1"}`,
			"",
		},
		"null is as good as not": {`{"platforms": null, "target": null, "contextHash": "1"}`, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inputs := props(t, c.inputs).Set("dockerfile", value(map[string]any{"inline": "FROM scratch"}))
			res, err := serve(t).Check(p.CheckRequest{Urn: urn, Inputs: inputs})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range res.Failures {
				got = append(got, f.Property+": "+f.Reason)
			}
			if strings.Join(got, "\n") != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

// This version can read and destroy the state of a newer version.
func TestStoredInputsOfANewerVersion(t *testing.T) {
	t.Parallel()
	args, err := decodeStored(t.Context(),
		props(t, `{"novel": {"x": 1}, "tags": ["a.io/x:1"], "builder": {"novel": "n", "endpoint": "tcp://h:1"},
		"registries": [{"address": "a.io", "password": "secret:p", "novel": true}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if *args.Builder.Endpoint != "tcp://h:1" || *args.Registries[0].Password != "p" || args.Tags[0] != "a.io/x:1" {
		t.Errorf("got %+v", args)
	}
}

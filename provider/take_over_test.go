package provider

import (
	"slices"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// dockerBuildOutputs is a state of docker-build 0.0.22, without what does not matter here.
const dockerBuildOutputs = `{
	"buildArgs": {"A": "1"}, "buildOnPreview": true, "context": {"location": "./app"}, "contextHash": "theirs",
	"digest": "sha256:d", "dockerfile": {"inline": "", "location": "app/Dockerfile"}, "exec": false,
	"exports": [{"disabled": false, "raw": "", "image": {"compression": "gzip", "compressionLevel": 0,
		"danglingNamePrefix": "", "forceCompression": false, "ociMediaTypes": false, "store": true}}],
	"load": false, "network": "default", "push": true, "ref": "ghcr.io/acme/app:1@sha256:d",
	"tags": ["ghcr.io/acme/app:1"], "target": ""}`

// sameProgram is the program of dockerBuildOutputs, as Check of ours returns it.
const sameProgram = `{
	"buildArgs": {"A": "1"}, "context": {"location": "app"}, "contextHash": "ours", "__dockerBuildHash": "theirs",
	"exports": [{"image": {}}], "push": true, "tags": ["ghcr.io/acme/app:1"]}`

// TestTakeOver checks which programs make the image that docker-build has made.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change string // of sameProgram, as a JSON object
		want   []string
	}{
		"nothing":              {`{}`, nil},
		"files":                {`{"__dockerBuildHash": "other"}`, []string{"contextHash"}},
		"no hash of the files": {`{"__dockerBuildHash": null}`, []string{"contextHash"}},
		"an argument":          {`{"buildArgs": {"A": "2"}}`, []string{"buildArgs"}},
		"an empty argument":    {`{"buildArgs": {"A": "1", "B": ""}}`, []string{"buildArgs"}},
		"the same Dockerfile":  {`{"dockerfile": {"location": "./app/Dockerfile"}}`, nil},
		"another Dockerfile":   {`{"dockerfile": {"location": "app/Other"}}`, []string{"contextHash"}},
		"an inline Dockerfile": {`{"dockerfile": {"inline": "FROM scratch"}}`, []string{"contextHash"}},
		"a Dockerfile at a URL": {`{"dockerfile": {"location": "https://h.example/Dockerfile"}}`,
			[]string{"contextHash"}},
		"another folder": {`{"context": {"location": "elsewhere"}}`, []string{"contextHash"}},
		"a named context": {`{"context": {"location": "app", "named": {"lib": {"location": "lib"}}}}`,
			[]string{"contextHash"}},
		"the stored defaults": {`{"target": "", "network": "default", "load": false, "exports": [{"image": {
			"compression": "gzip", "ociMediaTypes": true, "store": true}, "disabled": false}]}`, nil},
		"another compression": {`{"exports": [{"image": {"compression": "zstd"}}]}`, []string{"exports"}},
		"another export":      {`{"exports": [{"cacheonly": {}}]}`, []string{"exports"}},
		"no export":           {`{"exports": null}`, []string{"exports"}},
		"a digest of a base":  {`{"baseDigests": {"alpine": "sha256:a"}}`, []string{"baseDigests"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inputs := props(t, sameProgram)
			for key, value := range props(t, c.change).All {
				inputs = inputs.Set(key, value)
			}
			args, err := decodeStored(t.Context(), inputs)
			if err != nil {
				t.Fatal(err)
			}
			op, err := resolveOperation(request{
				inputs: inputs, old: stateOf(takeOver(props(t, dockerBuildOutputs), inputs)), takesOver: true,
			}, args)
			if err != nil {
				t.Fatal(err)
			}
			if got := op.changedInputs(); !slices.Equal(got, c.want) {
				t.Errorf("changed: %q, want %q", got, c.want)
			}
		})
	}
}

// TestTakeOverOfADockerfileAtAURL checks that such an image is built: docker-build has not hashed the text.
func TestTakeOverOfADockerfileAtAURL(t *testing.T) {
	t.Parallel()
	dockerfile := property.New(map[string]property.Value{"location": property.New("https://h.example/Dockerfile")})
	outputs, inputs := props(t, dockerBuildOutputs).Set("dockerfile", dockerfile), props(t, sameProgram)
	inputs = inputs.Set("dockerfile", dockerfile)
	if equal(takeOver(outputs, inputs), inputs, "contextHash") {
		t.Error("the text counts as the same")
	}
}

// TestTakeOverOfARemoteContext compares locations, of which docker-build's hash knows nothing.
func TestTakeOverOfARemoteContext(t *testing.T) {
	t.Parallel()
	outputs := props(t, dockerBuildOutputs).
		Set("context", property.New(props(t, `{"location": "https://github.com/acme/app.git#main"}`))).
		Set("dockerfile", property.New(props(t, `{"inline": "", "location": ""}`)))
	for location, same := range map[string]bool{
		"https://github.com/acme/app.git#main": true, "https://github.com/acme/app.git#other": false,
	} {
		inputs := props(t, sameProgram).
			Set("context", property.New(map[string]property.Value{"location": property.New(location)}))
		if got := equal(takeOver(outputs, inputs), inputs, "contextHash"); got != same {
			t.Errorf("%s: the same files: %v", location, got)
		}
	}
}

// TestTakeOverIsAnUpdate makes the engine call Update, which writes our outputs.
func TestTakeOverIsAnUpdate(t *testing.T) {
	t.Parallel()
	inputs := props(t, sameProgram)
	for _, ignored := range [][]string{nil, {"contextHash"}} {
		diff, err := serve(t).Diff(p.DiffRequest{
			ID: "app", Urn: urn, State: props(t, dockerBuildOutputs), Inputs: inputs, IgnoreChanges: ignored,
		})
		if err != nil || !diff.HasChanges || len(diff.DetailedDiff) != 1 {
			t.Errorf("ignoreChanges %v: %+v, %v", ignored, diff, err)
		}
	}
}

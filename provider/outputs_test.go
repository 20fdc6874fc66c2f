package provider

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// inputsWithCanaries sets every input that the outputs repeat, and every input with a credential.
const inputsWithCanaries = `{
	"context": {"location": "https://me:CANARY@git.example.com/app.git", "named": {"lib": {"location":
		"https://CANARY@git.example.com/lib.git"}}},
	"dockerfile": {"inline": "FROM scratch"}, "watch": "all", "pull": false, "noCache": true,
	"limits": {"memory": "1g"},
	"allow": ["network.host", "secret:CANARY"], "buildOnPreview": false, "pushTimeout": 10, "exec": false,
	"ignoreSecretsInDiffCalculation": ["token"], "volatileArgs": ["COMMIT"], "watchSecrets": ["npm"],
	"builder": {"endpoint": "tcp://build.example.com:1234", "tls": {"ca": "CANARY", "cert": "CANARY",
		"key": "secret:CANARY", "serverName": "CANARY"}},
	"cacheFrom": [{"registry": {"ref": "a.io/app:cache"}}, {"raw": "secret:CANARY"},
		{"s3": {"bucket": "b", "accessKeyId": "CANARY", "secretAccessKey": "CANARY", "sessionToken": "secret:CANARY",
			"endpointUrl": "https://me:CANARY@s3.example.com"}}],
	"cacheMounts": {"ref": "a.io/mounts"},
	"cacheTo": [{"azblob": {"name": "n", "secretAccessKey": "secret:CANARY"}},
		{"raw": "type=s3,bucket=b,access_key_id=CANARY,secret_access_key=CANARY,session_token=CANARY"},
		{"raw": "type=gha,scope=main,token=CANARY"}, {"inline": {}}],
	"secrets": {"npm": "secret:CANARY"}, "secretSources": {"other": {"env": "CANARY"}}, "ssh": [{"id": "CANARY"}],
	"registries": [{"address": "a.io", "username": "CANARY", "password": "secret:CANARY"}]}`

func TestOutputsRepeatNoCredential(t *testing.T) {
	t.Parallel()
	res, err := serve(t).Create(p.CreateRequest{Urn: urn, DryRun: true, Properties: props(t, inputsWithCanaries)})
	if err != nil {
		t.Fatal(err)
	}
	out := property.New(res.Properties)
	if shown := fmt.Sprintf("%#v", out); strings.Contains(shown, "CANARY") || out.HasSecrets() {
		t.Errorf("a credential or a secret is in %s", shown)
	}
	for _, key := range otherOutputs {
		if value := res.Properties.Get(key); value.IsNull() != (key == "noCacheFilter") { // which is not set
			t.Errorf("%s is %v", key, value)
		}
	}
	for path, want := range map[string]string{
		"context.location":                  "https://git.example.com/app.git",
		"context.named.lib.location":        "https://git.example.com/lib.git",
		"builder.endpoint":                  "tcp://build.example.com:1234",
		"cacheFrom[0].registry.ref":         "a.io/app:cache",
		"cacheFrom[2].s3.bucket":            "b",
		"cacheFrom[2].s3.endpointUrl":       "https://s3.example.com",
		"cacheTo[0].azblob.name":            "n",
		"cacheTo[1].raw":                    "type=s3,bucket=b",
		"cacheTo[2].raw":                    "type=gha,scope=main",
		"allow[0]":                          "network.host",
		"dockerfile.inline":                 "FROM scratch",
		"ignoreSecretsInDiffCalculation[0]": "token",
	} {
		if got := flatten("", out)["."+path]; !got.IsString() || got.AsString() != want {
			t.Errorf("%s is %v, want %s", path, got, want)
		}
	}
}

// An input that is not set gives no output. A state of an earlier version lacks these outputs and is up to date.
func TestOutputsOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	if out := repeatedInputs(props(t, `{"target": "app"}`)); out.Len() != 1 {
		t.Errorf("outputs: %v", out)
	}
	diff, err := serve(t).Diff(p.DiffRequest{
		ID: "app", Urn: urn, State: props(t, `{"target": "app", "contextHash": "c1", "digest": "d"}`),
		Inputs: props(t, inputsWithCanaries).Set("target", property.New("app")).Set("contextHash", property.New("c1")),
	})
	if err != nil || diff.HasChanges {
		t.Errorf("a diff: %+v, %v", diff, err)
	}
}

// A value that is not known yet is an unknown output.
func TestUnknownOutputsOfInputs(t *testing.T) {
	t.Parallel()
	const inputs = `{"builder": {"name": "?"}, "pull": "?", "cacheTo": [{"registry": {"ref": "?"}}, "?"]}`
	out := repeatedInputs(props(t, inputs))
	for _, path := range []string{"builder.name", "pull", "cacheTo[0].registry.ref", "cacheTo[1]"} {
		if got := flatten("", property.New(out))["."+path]; !got.IsComputed() {
			t.Errorf("%s is %v", path, got)
		}
	}
}

// Inputs that only permit or hasten something are in no inputs hash, and those that say nothing neither.
func TestHashOfInputsThatShapeNoImage(t *testing.T) {
	t.Parallel()
	hashOf := func(inputs string) string {
		args, _, err := decode(t.Context(), props(t, inputs))
		if err != nil {
			t.Fatal(err)
		}
		return inputsHash(args)
	}
	plain := hashOf(`{"contextHash": "c1"}`)
	for _, inputs := range []string{
		`"allow": ["network.host"]`, `"noCacheFilter": ["app"]`, `"exec": true`,
		`"ignoreSecretsInDiffCalculation": ["a"]`, `"exports": [{"local": {"dest": "out", "mode": "delete"}}]`,
	} {
		if hashOf(`{"contextHash": "c1", `+inputs+`}`) != plain {
			t.Errorf("%s changes the hash", inputs)
		}
	}
	gateway := hashOf(`{"contextHash": "c1", "addHosts": ["db:host-gateway"]}`)
	several := hashOf(`{"contextHash": "c1", "addHosts": ["db=10.0.0.1,10.0.0.2"]}`)
	apart := hashOf(`{"contextHash": "c1", "addHosts": ["db=10.0.0.1", "db:10.0.0.2"]}`)
	if gateway == plain || several != apart || slices.Contains([]string{plain, gateway}, several) {
		t.Errorf("addHosts: %s, %s, %s", gateway, several, apart)
	}
}

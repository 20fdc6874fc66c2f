package provider

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

const providerURN = resource.URN("urn:pulumi:dev::shop::pulumi:providers:buildkit::default")

func TestConfigNamesEveryBadValue(t *testing.T) {
	t.Parallel()
	res, err := serve(t).CheckConfig(p.CheckRequest{Urn: providerURN, Inputs: props(t, `{
		"host": "http://x", "maxParallelBuilds": 0, "registries": [{"address": "ghcr.io"}, {"address": " "}],
		"ecr": {"roleArn": "push", "endpoint": "ecr", "hosts": ["proxy.corp"]}}`)})
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, f := range res.Failures {
		paths = append(paths, f.Property)
	}
	if want := []string{"ecr.endpoint", "ecr.region", "ecr.roleArn", "host", "maxParallelBuilds",
		"registries[1].address"}; !slices.Equal(sortUnique(paths), want) {
		t.Errorf("failures %+v, want paths %v", res.Failures, want)
	}
}

// Nested configuration comes as JSON in a string from pulumi config and from some SDKs; the engine adds keys of its
// own.
func TestConfigAcceptsNestedJSON(t *testing.T) {
	t.Parallel()
	w := dial(t, New(nil), `{}`)
	res, err := w.CheckConfig(t.Context(),
		&pulumirpc.CheckRequest{Urn: string(providerURN), News: marshalProperties(t, props(t, `{
		"registries": "[{\"address\":\"ghcr.io\",\"username\":\"u\",\"password\":\"canary\"}]",
		"version": "1.0.0", "pluginDownloadURL": "x", "hots": "tcp://h:1"}`))})
	if err != nil || len(res.GetFailures()) > 0 {
		t.Fatal(err, res.GetFailures())
	}
	login := unmarshalProperties(t, res.GetInputs()).Get("registries").AsArray().Get(0).AsMap()
	if password := login.Get("password"); password.AsString() != "canary" || !password.Secret() {
		t.Errorf("the password is %v", password)
	}
	if logs := w.logText(); !strings.Contains(logs, "has no configuration hots") || strings.Contains(logs, "canary") {
		t.Errorf("logs: %s", logs)
	}
}

func TestConfigKeysAreThoseOfTheSchema(t *testing.T) {
	t.Parallel()
	res, err := serve(t).GetSchema(p.GetSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var spec struct {
		Provider struct {
			InputProperties map[string]any `json:"inputProperties"`
		} `json:"provider"`
	}
	if err := json.Unmarshal([]byte(res.Schema), &spec); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(spec.Provider.InputProperties)); !slices.Equal(got, configKeys) {
		t.Errorf("the schema has %v, configKeys %v", got, configKeys)
	}
}

// A change of the configuration is an update. A replacement would replace every image, and without a difference the old
// password would stay.
func TestConfigIsUpdatedAndNeverReplaced(t *testing.T) {
	t.Parallel()
	old := props(t, `{"host": "tcp://a:1", "registries": [{"address": "ghcr.io", "password": "secret:old"}]}`)
	for _, wanted := range []string{
		`{"host": "tcp://b:1", "registries": [{"address": "ghcr.io", "password": "secret:old"}]}`,
		`{"host": "tcp://a:1", "registries": [{"address": "ghcr.io", "password": "secret:new"}]}`,
		`{"host": "tcp://a:1", "maxParallelBuilds": 2, "registries": [` +
			`{"address": "ghcr.io", "password": "secret:old"}, {"address": "docker.io"}]}`,
		`{}`,
	} {
		res, err := serve(t).DiffConfig(p.DiffRequest{ID: "x", Urn: providerURN, State: old, OldInputs: old,
			Inputs: props(t, wanted)})
		if err != nil {
			t.Fatal(err)
		}
		if !res.HasChanges || res.DeleteBeforeReplace || len(res.DetailedDiff) == 0 {
			t.Errorf("%s: %+v", wanted, res)
		}
		for path, change := range res.DetailedDiff {
			if !slices.Contains([]p.DiffKind{p.Add, p.Update, p.Delete}, change.Kind) {
				t.Errorf("%s: %s is %s", wanted, path, change.Kind)
			}
		}
	}
}

// Configure does not fail for a broken credential helper or a dead host that no image needs yet.
func TestConfigureAsksNothing(t *testing.T) {
	dir := t.TempDir()
	ran := filepath.Join(dir, "ran")
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-trap"), []byte("#!/bin/sh\ntouch "+ran+"\nexit 1\n"),
		0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"credsStore": "trap"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	w := dial(t, New(nil),
		`{"host": "tcp://127.0.0.1:1", "registries": [{"address": "ghcr.io", "password": "secret:canary"}]}`)
	if w.logText() != "" {
		t.Errorf("logs: %s", w.logText())
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("configuring ran a credential helper")
	}
}

// An image without its own login uses that of the configuration. Its own login comes first.
func TestLoginsOfTheConfiguration(t *testing.T) {
	t.Parallel()
	for name, own := range map[string]string{
		"the configuration's": `[]`,
		"its own":             `[{"address": "HOST", "username": "robot", "password": "secret:hunter2"}]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRemembered(t, registrytest.Login("robot", "hunter2"))
			password := map[bool]string{true: "hunter2", false: "wrong"}[own == `[]`]
			w := dial(t, New(nil),
				`{"registries": [{"address": "`+r.Host()+`", "username": "robot", "password": "secret:`+password+`"}]}`)
			inputs := r.newInputs(t, "app:v1").Set("registries",
				props(t, `{"r": `+strings.ReplaceAll(own, "HOST", r.Host())+`}`).Get("r"))
			res, err := w.Update(t.Context(),
				&pulumirpc.UpdateRequest{Id: "app", Urn: string(urn), Olds: marshalProperties(t, r.state),
					News: marshalProperties(t, inputs)})
			if err != nil {
				t.Fatal(err)
			}
			if got := text(unmarshalProperties(t, res.GetProperties()), "digest"); got != r.digest {
				t.Errorf("digest %q", got)
			}
			if strings.Contains(res.String()+w.logText(), "hunter2") {
				t.Error("the password is in the outputs or in the logs")
			}
		})
	}
}

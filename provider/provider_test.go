package provider

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/blang/semver"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	frontend "github.com/pulumi-buildkit/pulumi-buildkit/buildkit/dockerfile"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

var update = flag.Bool("update", false, "rewrite schema.json")

const urn = resource.URN("urn:pulumi:dev::shop::buildkit:index:Image::app")

func TestMain(m *testing.M) {
	if handled, code := frontend.RunChild(os.Args[1:]); handled {
		os.Exit(code)
	}
	for name, value := range map[string]string{ // and none of the user's
		"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": awsSecretKey,
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		_ = os.Setenv(name, value) // fails for names only that are none
	}
	os.Exit(daemontest.Main(m, &machines[0], &machines[1], &embedded))
}

// newFastProvider returns a provider that asks a registry only once.
func newFastProvider() p.Provider {
	return newProvider(&settings{registry: registry.Options{RetryWaits: []time.Duration{}}})
}

// serve runs the provider in process, as the engine sees it.
func serve(t *testing.T) integration.Server {
	t.Helper()
	server, err := integration.NewServer(t.Context(), Name, semver.MustParse("1.0.0"),
		integration.WithProvider(newFastProvider()))
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// props reads a property map from JSON. The string "?" is an unknown value, "secret:x" the secret x.
func props(t *testing.T, text string) property.Map {
	t.Helper()
	var raw map[string]any
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return value(raw).AsMap()
}

func value(raw any) property.Value {
	switch raw := raw.(type) {
	case string:
		if raw == "?" {
			return unknownValue()
		}
		if secret, ok := strings.CutPrefix(raw, "secret:"); ok {
			return property.New(secret).WithSecret(true)
		}
		return property.New(raw)
	case bool:
		return property.New(raw)
	case float64:
		return property.New(raw)
	case []any:
		var list []property.Value
		for _, e := range raw {
			list = append(list, value(e))
		}
		return property.New(list)
	case map[string]any:
		fields := map[string]property.Value{}
		for k, e := range raw {
			fields[k] = value(e)
		}
		return property.New(fields)
	}
	return property.New(property.Null)
}

// TestSchema compares schema.json, from which every SDK is made, with the schema of the provider.
func TestSchema(t *testing.T) {
	t.Parallel()
	res, err := serve(t).GetSchema(p.GetSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var spec map[string]any
	if err := json.Unmarshal([]byte(res.Schema), &spec); err != nil {
		t.Fatal(err)
	}
	delete(spec, "version")
	var got bytes.Buffer
	out := json.NewEncoder(&got)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	if err := out.Encode(spec); err != nil {
		t.Fatal(err)
	}
	const golden = "../schema.json"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Error("schema.json is not what the provider says: run make schema")
	}
}

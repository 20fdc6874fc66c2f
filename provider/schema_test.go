package provider

import (
	"context"
	"encoding/json"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

// A resource of another package that comes later gets its alias too, and a resource without one stays as it is.
func TestAliasesOfTheSchema(t *testing.T) {
	t.Parallel()
	served := func(context.Context, p.GetSchemaRequest) (p.GetSchemaResponse, error) {
		return p.GetSchemaResponse{Schema: `{"name": "buildkit", "resources": {"buildkit:index:Image": {},
			"buildkit:index:Index": {"aliases": [{"type": "buildkit:index:List"}]}, "buildkit:index:Other": {}}}`}, nil
	}
	res, err := withAliases(served, formerTypes)(t.Context(), p.GetSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var spec schema.PackageSpec
	if err := json.Unmarshal([]byte(res.Schema), &spec); err != nil {
		t.Fatal(err)
	}
	for token, want := range map[string][]string{
		"buildkit:index:Image": {"docker-build:index:Image"},
		"buildkit:index:Index": {"buildkit:index:List", "docker-build:index:Index"},
		"buildkit:index:Other": nil,
	} {
		aliases := spec.Resources[token].Aliases
		if len(aliases) != len(want) {
			t.Errorf("%s: %v", token, aliases)
			continue
		}
		for i, alias := range aliases {
			if alias.Type != want[i] {
				t.Errorf("%s: %v", token, aliases)
			}
		}
	}
}

// Every value of the enum is a platform, and others are platforms as well.
func TestPlatformsOfTheEnum(t *testing.T) {
	t.Parallel()
	seen := map[Platform]bool{}
	for _, value := range (Platform)("").Values() {
		if _, err := normalizePlatform(string(value.Value)); err != nil || seen[value.Value] {
			t.Errorf("%s: %v, or it is there twice", value.Value, err)
		}
		seen[value.Value] = true
	}
	if seen["linux/loong64"] {
		t.Fatal("the test needs a platform that is no value of the enum")
	}
	if res := runCheckIn(t, t.TempDir(), `{"dockerfile": {"inline": "FROM scratch"}, "platforms": ["linux/loong64",
		"linux/arm/v7"]}`); len(res.Failures) > 0 {
		t.Errorf("failures: %v", res.Failures)
	}
}

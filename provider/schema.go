package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

// formerTypes maps resources to the type tokens that they had before: in docker-build, whose programs and states move
// here. A resource need not exist.
var formerTypes = map[string][]string{
	Name + ":index:Image": {"docker-build:index:Image"},
	Name + ":index:Index": {"docker-build:index:Index"},
}

// getSchema asks a provider for its schema.
type getSchema func(context.Context, p.GetSchemaRequest) (p.GetSchemaResponse, error)

// withAliases returns a function that adds the former types to the resources of a schema, as aliases. With an alias the
// engine takes the resource of a state over. Without it the engine deletes that resource, and with it the image in the
// registry.
//
// The annotator of infer knows only types of the own package.
func withAliases(inner getSchema, former map[string][]string) getSchema {
	return func(ctx context.Context, req p.GetSchemaRequest) (p.GetSchemaResponse, error) {
		res, err := inner(ctx, req)
		if err != nil {
			return res, err
		}
		var spec schema.PackageSpec
		if err := json.Unmarshal([]byte(res.Schema), &spec); err != nil {
			return res, fmt.Errorf("schema: %w", err)
		}
		for token, resource := range spec.Resources {
			for _, alias := range former[token] {
				resource.Aliases = append(slices.Clone(resource.Aliases), schema.AliasSpec{Type: alias})
			}
			spec.Resources[token] = resource
		}
		text, err := json.Marshal(spec)
		return p.GetSchemaResponse{Schema: string(text)}, err
	}
}

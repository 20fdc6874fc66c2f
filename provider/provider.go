package provider

import (
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/middleware/schema"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

// Name of the package: of the plugin pulumi-resource-buildkit and of the tokens buildkit:index:Image.
const Name = "buildkit"

// New returns the provider. It configures nothing and dials nothing before a resource needs it.
func New() p.Provider { return newProvider(&settings{}) }

func newProvider(settings *settings) p.Provider {
	provider := infer.Provider(infer.Options{
		Metadata:  metadata(),
		Config:    infer.Config(Config{}),
		Resources: []infer.InferredResource{newImageResource(settings)},
		ModuleMap: map[tokens.ModuleName]tokens.ModuleName{"provider": "index"},
	})
	provider.DiffConfig = updateOnly(provider.DiffConfig)
	provider.Configure = settings.configure
	return guarded(provider)
}

func metadata() schema.Metadata {
	return schema.Metadata{
		DisplayName: "BuildKit",
		Description: "Build container images for several platforms with BuildKit and push them to Amazon ECR or any registry, " +
			"as part of pulumi up.",
		Keywords:   []string{"pulumi", "buildkit", "docker", "container", "image", "ecr", "category/infrastructure", "kind/native"},
		Homepage:   "https://github.com/pulumi-buildkit/pulumi-buildkit",
		Repository: "https://github.com/pulumi-buildkit/pulumi-buildkit",
		Publisher:  "pulumi-buildkit",
		License:    "Apache-2.0",
		LanguageMap: map[string]any{
			"go": map[string]any{
				"importBasePath":                 "github.com/pulumi-buildkit/pulumi-buildkit/sdk/go/buildkit",
				"respectSchemaVersion":           true,
				"generateResourceContainerTypes": true,
			},
			"nodejs": map[string]any{"packageName": "@pulumi-buildkit/buildkit", "respectSchemaVersion": true},
			"python": map[string]any{
				"packageName": "pulumi_buildkit", "respectSchemaVersion": true,
				"pyproject": map[string]any{"enabled": true},
			},
			"csharp": map[string]any{"rootNamespace": "PulumiBuildkit", "respectSchemaVersion": true},
			"java":   map[string]any{"basePackage": "io.github.pulumibuildkit", "buildFiles": "gradle"},
		},
	}
}

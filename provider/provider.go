package provider

import (
	"context"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/middleware/schema"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

// Name of the package: of the plugin pulumi-resource-buildkit and of the tokens buildkit:index:Image.
const Name = "buildkit"

// New returns the provider. It configures nothing and dials nothing before a resource needs it. engineAlive tells
// whether the engine that started this process still runs, and is asked before a tag moves. nil means that it does.
func New(engineAlive func() bool) p.Provider { return NewWithin(engineAlive, Timeouts{}) }

// NewWithin returns the provider of New with other timeouts.
func NewWithin(engineAlive func() bool, timeouts Timeouts) p.Provider {
	settings := timeouts.settings()
	settings.engineAlive = engineAlive
	out := newProvider(settings)
	check, checkConfig := out.Check, out.CheckConfig
	out.Check = func(ctx context.Context, req p.CheckRequest) (p.CheckResponse, error) {
		return withPathsInReasons(check(ctx, req))
	}
	out.CheckConfig = func(ctx context.Context, req p.CheckRequest) (p.CheckResponse, error) {
		return withPathsInReasons(checkConfig(ctx, req))
	}
	return out
}

// withPathsInReasons moves the path of a nested property into the reason of its failure. The engine knows the values of
// whole inputs only, and prints "value {<nil>}" for a nested one.
func withPathsInReasons(res p.CheckResponse, err error) (p.CheckResponse, error) {
	for i, f := range res.Failures {
		if strings.ContainsAny(f.Property, ".[") {
			res.Failures[i] = p.CheckFailure{Reason: f.Property + ": " + f.Reason}
		}
	}
	return res, err
}

func newProvider(settings *settings) p.Provider {
	images := newImageResource(settings)
	provider := infer.Provider(infer.Options{
		Metadata:  metadata(),
		Config:    infer.Config(Config{}),
		Resources: []infer.InferredResource{images, newIndexResource(images)},
		Functions: []infer.InferredFunction{newGetImageFunction(images)},
		ModuleMap: map[tokens.ModuleName]tokens.ModuleName{"provider": "index"},
	})
	provider.GetSchema = withAliases(provider.GetSchema, formerTypes)
	provider.CheckConfig = withEmptyMirrors(provider.CheckConfig)
	provider.DiffConfig = withoutReplacements(provider.DiffConfig)
	provider.Configure = func(ctx context.Context, req p.ConfigureRequest) error {
		images.notes.forget()
		settings.downloads.Expire()
		return settings.configure(ctx, req)
	}
	return guardProvider(provider)
}

// readme is shown by npm and PyPI for the package.
const readme = `# BuildKit for Pulumi

Build container images for several platforms with BuildKit and push them to Amazon ECR or any registry, as part of ` +
	"`pulumi up`" + `.

[Documentation](` + home + `#readme) · [Installation](` + home + `/blob/main/docs/installation.md)
`

const home = "https://github.com/pulumi-buildkit/pulumi-buildkit"

// metadata returns the names and settings of the SDKs, which make sdk writes.
func metadata() schema.Metadata {
	return schema.Metadata{
		DisplayName: "BuildKit",
		Description: "Build container images for several platforms with BuildKit and push them to Amazon ECR or any " +
			"registry, as part of pulumi up.",
		Keywords: []string{
			"pulumi", "buildkit", "docker", "container", "image", "ecr", "category/infrastructure", "kind/native",
		},
		Homepage:          home,
		Repository:        home,
		Publisher:         "pulumi-buildkit",
		License:           "Apache-2.0",
		PluginDownloadURL: "github://api.github.com/pulumi-buildkit/pulumi-buildkit",
		LanguageMap: map[string]any{
			"go": map[string]any{
				"importBasePath":                 "github.com/pulumi-buildkit/pulumi-buildkit/sdk/go/buildkit",
				"respectSchemaVersion":           true,
				"generateResourceContainerTypes": true,
			},
			"nodejs": map[string]any{
				"packageName": "@pulumi-buildkit/buildkit", "respectSchemaVersion": true, "readme": readme,
			},
			"python": map[string]any{
				"packageName": "pulumi_buildkit", "respectSchemaVersion": true, "readme": readme,
				"pyproject": map[string]any{"enabled": true},
			},
			"csharp": map[string]any{"rootNamespace": "PulumiBuildkit", "respectSchemaVersion": true},
			// Generated Gradle files would use the group io.github.pulumi-buildkit, which cannot be the name of a Java
			// package.
			"java": map[string]any{
				"basePackage": "io.github.pulumibuildkit", "buildFiles": "none",
				"dependencies": map[string]any{"com.pulumi:pulumi": "1.20.0"},
			},
		},
	}
}

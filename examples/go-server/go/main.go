// The program of ../Pulumi.yaml in Go.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"github.com/pulumi-buildkit/pulumi-buildkit/sdk/go/buildkit"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		settings := config.New(ctx, "")
		server, err := buildkit.NewImage(ctx, "server", &buildkit.ImageArgs{
			Context: &buildkit.BuildContextArgs{
				Location: pulumi.String(".."),
				Named: buildkit.ContextMap{
					"go": &buildkit.ContextArgs{Location: pulumi.String(settings.Require("goroot"))},
				},
			},
			Platforms: buildkit.PlatformArray{buildkit.Platform_Linux_amd64, buildkit.Platform_Linux_arm64},
			BuildArgs: pulumi.StringMap{"VERSION": pulumi.String("1.0")},
			Tags:      pulumi.StringArray{pulumi.String(settings.Require("repository") + ":latest")},
		})
		if err != nil {
			return err
		}
		// What the registry has.
		pushed := buildkit.LookupImageOutput(ctx, buildkit.LookupImageOutputArgs{Ref: server.Ref})
		ctx.Export("ref", server.Ref)
		// Compressed, in bytes.
		ctx.Export("size", pushed.Platforms().MapIndex(pulumi.String("linux/arm64")).Size())
		// What a service runs: the index, and nothing that a later push can move.
		ctx.Export("repoDigest", server.RepoDigest)
		return nil
	})
}

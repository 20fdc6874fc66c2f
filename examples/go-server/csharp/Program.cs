using System.Collections.Generic;
using Pulumi;
using PulumiBuildkit.Buildkit;
using PulumiBuildkit.Buildkit.Inputs;

return await Deployment.RunAsync(() =>
{
    var config = new Config();
    var repository = config.Require("repository");

    var server = new Image("server", new ImageArgs
    {
        Context = new BuildContextArgs
        {
            Location = "..",
            Named = { ["go"] = new ContextArgs { Location = config.Require("goroot") } },
        },
        Platforms = { Platform.Linux_amd64, Platform.Linux_arm64 },
        BuildArgs = { ["VERSION"] = "1.0" },
        Tags = { $"{repository}:latest" },
    });

    // What the registry has.
    var pushed = GetImage.Invoke(new GetImageInvokeArgs { Ref = server.Ref });

    return new Dictionary<string, object?>
    {
        ["ref"] = server.Ref,
        // Compressed, in bytes.
        ["size"] = pushed.Apply(image => image.Platforms["linux/arm64"].Size),
        // What a service runs: the index, and nothing that a later push can move.
        ["repoDigest"] = server.RepoDigest,
    };
});

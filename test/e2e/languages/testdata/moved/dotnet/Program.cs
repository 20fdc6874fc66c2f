// Written for another package. The test changes the name of the package and nothing else.
using System.Collections.Generic;
using Pulumi;
using DockerBuild = Pulumi.DockerBuild;
using Pulumi.DockerBuild.Inputs;

return await Deployment.RunAsync(() =>
{
    var config = new Config();
    var registry = config.Require("registry");
    var password = Output.CreateSecret(config.Require("password"));
    var sources = config.Require("sources");
    var image = config.Require("base");
    var login = new RegistryArgs { Address = registry, Username = "shop", Password = password };
    var app = new BuildContextArgs { Location = "./app" };

    var configured = new DockerBuild.Provider("configured", new DockerBuild.ProviderArgs
    {
        Host = "",
        Registries = { login },
    });

    var platforms = new DockerBuild.Image("platforms", new DockerBuild.ImageArgs
    {
        Push = false,
        Context = app,
        Dockerfile = new DockerfileArgs { Location = "./app/Dockerfile.platforms" },
        Platforms = { DockerBuild.Platform.Linux_ppc64le, DockerBuild.Platform.Freebsd_amd64 },
    });
    var pushed = new DockerBuild.Image("pushed", new()
    {
        Push = true,
        Context = new DockerBuild.Inputs.BuildContextArgs
        {
            Location = "./app",
        },
        Tags = new[]
        {
            $"{registry}/shop/app:1.0",
        },
        Registries = new[]
        {
            new DockerBuild.Inputs.RegistryArgs
            {
                Address = registry,
                Username = "shop",
                Password = password,
            },
        },
    });
    var exported = new DockerBuild.Image("exported", new()
    {
        Push = false,
        Context = app,
        Tags = { $"{registry}/shop/exported:1.0" },
        Exports = new[]
        {
            new ExportArgs { Registry = new ExportRegistryArgs { OciMediaTypes = true, Push = false } },
        },
    }, new CustomResourceOptions { Provider = configured });
    var cached = new DockerBuild.Image("cached", new()
    {
        Push = false,
        Context = app,
        CacheTo = new[]
        {
            new CacheToArgs { Local = new CacheToLocalArgs { Dest = "build/cache", Mode = DockerBuild.CacheMode.Max } },
        },
        CacheFrom = new[]
        {
            new CacheFromArgs { Local = new CacheFromLocalArgs { Src = "build/cache" } },
        },
    });

    // What a repository of Amazon ECR gives.
    var repositoryUrl = Output.Create($"{registry}/shop/ecr");
    var cachedInRegistry = new DockerBuild.Image("cachedInRegistry", new()
    {
        Push = true,
        Context = app,
        CacheFrom = new[]
        {
            new CacheFromArgs
            {
                Registry = new CacheFromRegistryArgs { Ref = repositoryUrl.Apply(url => $"{url}:cache") },
            },
        },
        CacheTo = new[]
        {
            new CacheToArgs
            {
                Registry = new CacheToRegistryArgs
                {
                    ImageManifest = true,
                    OciMediaTypes = true,
                    Ref = Output.Format($"{repositoryUrl}:cache"),
                },
            },
        },
        Registries = new[]
        {
            new RegistryArgs { Address = repositoryUrl, Username = "AWS", Password = password },
        },
        Tags = new[] { repositoryUrl.Apply(url => $"{url}:latest") },
    });

    var arguments = new DockerBuild.Image("arguments", new()
    {
        Push = false,
        Context = app,
        Dockerfile = new DockerfileArgs { Location = "./app/Dockerfile.arguments" },
        BuildArgs =
        {
            { "GREETING", "hello" },
            { "EMPTY", "" },
        },
    });
    var hosts = new DockerBuild.Image("hosts", new()
    {
        Push = false,
        Context = app,
        Dockerfile = new DockerfileArgs { Location = "./app/Dockerfile.hosts" },
        AddHosts = new[] { "db.shop.example:10.0.0.5" },
    });
    var key = new DockerBuild.Image("key", new()
    {
        Push = false,
        Context = app,
        Dockerfile = new DockerfileArgs { Location = "./app/Dockerfile.key" },
        Ssh = new[]
        {
            new SSHArgs { Id = "default" },
            new SSHArgs { Id = "deploy", Paths = new[] { "./deploy.key" } },
        },
    });
    var token = new DockerBuild.Image("token", new()
    {
        Push = false,
        Context = app,
        Dockerfile = new DockerfileArgs { Location = "./app/Dockerfile.token" },
        Secrets = { { "token", "open sesame" } },
        IgnoreSecretsInDiffCalculation = new[] { "token" },
    });
    var described = new DockerBuild.Image("described", new()
    {
        Push = false,
        Context = app,
        Labels = { { "description", "All that the shop sells ✓" } },
    });
    var stage = new DockerBuild.Image("stage", new()
    {
        Push = false,
        Context = app,
        Dockerfile = new DockerfileArgs { Location = "./app/Dockerfile.stages" },
        Target = "tested",
    });
    var named = new DockerBuild.Image("named", new()
    {
        Push = false,
        Context = new BuildContextArgs
        {
            Location = "./app",
            Named =
            {
                { "toolchain:latest", new ContextArgs { Location = $"docker-image://{image}" } },
                { "assets", new ContextArgs { Location = "./assets" } },
            },
        },
        Dockerfile = new DockerfileArgs { Location = "./app/Dockerfile.named" },
    });
    var dockerfileByUrl = new DockerBuild.Image("dockerfileByUrl", new()
    {
        Push = false,
        Context = new BuildContextArgs { Location = $"{sources}/Dockerfile" },
    });
    var repository = new DockerBuild.Image("repository", new()
    {
        Push = false,
        Context = new BuildContextArgs { Location = $"{sources}/repo.git#main" },
        Dockerfile = new DockerfileArgs { Location = "app/Other" },
    });
    var repositoryWithInline = new DockerBuild.Image("repositoryWithInline", new()
    {
        Push = false,
        Context = new BuildContextArgs { Location = $"{sources}/repo.git#main" },
        Dockerfile = new DockerfileArgs { Inline = "FROM scratch\nCOPY hello /\n" },
    });
    var written = new DockerBuild.Image("written", new()
    {
        Push = false,
        Dockerfile = new DockerfileArgs
        {
            Inline = $@"FROM {image}
RUN echo written in the program
",
        },
    });
    var loaded = new DockerBuild.Image("loaded", new()
    {
        Push = false,
        Context = app,
        Exports = new[] { new ExportArgs { Docker = new ExportDockerArgs { Tar = true } } },
    });
    var cloud = new DockerBuild.Image("cloud", new()
    {
        Push = false,
        BuildOnPreview = false,
        Builder = new BuilderConfigArgs { Name = "cloud-shop" },
        Exec = true,
        Context = app,
    });
    var files = new DockerBuild.Image("files", new()
    {
        Push = false,
        Load = false,
        NoCache = false,
        Pull = false,
        Network = DockerBuild.NetworkMode.None,
        Context = app,
        Exports = new[]
        {
            new ExportArgs { Local = new ExportLocalArgs { Dest = "build/files" } },
            new ExportArgs { Tar = new ExportTarArgs { Dest = "build/files.tar" } },
            new ExportArgs { Cacheonly = new ExportCacheOnlyArgs() },
        },
    });
    var clouds = new DockerBuild.Image("clouds", new()
    {
        Push = false,
        BuildOnPreview = false,
        Context = app,
        CacheFrom = new[]
        {
            new CacheFromArgs { Gha = new CacheFromGitHubActionsArgs { Scope = "shop" } },
            new CacheFromArgs { S3 = new CacheFromS3Args { Bucket = "shop", Region = "eu-west-1" } },
            new CacheFromArgs
            {
                Azblob = new CacheFromAzureBlobArgs { Name = "shop", AccountUrl = "https://shop.blob.example.com" },
            },
            new CacheFromArgs { Raw = $"type=registry,ref={registry}/shop/app:cache" },
            new CacheFromArgs
            {
                Disabled = true,
                Registry = new CacheFromRegistryArgs { Ref = $"{registry}/shop/app:off" },
            },
        },
        CacheTo = new[]
        {
            new CacheToArgs { Inline = new CacheToInlineArgs() },
            new CacheToArgs
            {
                Gha = new CacheToGitHubActionsArgs
                {
                    Scope = "shop",
                    Mode = DockerBuild.CacheMode.Max,
                    IgnoreError = true,
                },
            },
            new CacheToArgs
            {
                S3 = new CacheToS3Args { Bucket = "shop", Region = "eu-west-1", Mode = DockerBuild.CacheMode.Max },
            },
        },
        Exports = new[]
        {
            new ExportArgs
            {
                Oci = new ExportOCIArgs
                {
                    Dest = "build/image.tar",
                    Compression = DockerBuild.CompressionType.Zstd,
                    CompressionLevel = 3,
                },
            },
            new ExportArgs
            {
                Image = new ExportImageArgs
                {
                    Names = new[] { $"{registry}/shop/clouds:1.0" },
                    Annotations = { { "vendor", "shop" } },
                },
            },
            new ExportArgs { Raw = "type=docker,dest=build/docker.tar" },
            new ExportArgs { Disabled = true, Tar = new ExportTarArgs { Dest = "build/off.tar" } },
        },
    });

    DockerBuild.Image BuildFor(string name, DockerBuild.Platform platform) => new DockerBuild.Image(name, new()
    {
        Push = true,
        Context = app,
        Platforms = new[] { platform },
        Tags = new[] { $"{registry}/shop/both:1.0-{name}" },
        CacheTo = new[]
        {
            new CacheToArgs
            {
                Registry = new CacheToRegistryArgs
                {
                    Ref = $"{registry}/shop/both:cache-{name}",
                    Mode = DockerBuild.CacheMode.Max,
                },
            },
        },
        CacheFrom = new[]
        {
            new CacheFromArgs { Registry = new CacheFromRegistryArgs { Ref = $"{registry}/shop/both:cache-{name}" } },
        },
    });
    var both = new DockerBuild.Index("both", new DockerBuild.IndexArgs
    {
        Tag = $"{registry}/shop/both:1.0",
        Sources =
        {
            BuildFor("amd64", DockerBuild.Platform.Linux_amd64).Ref,
            BuildFor("arm64", DockerBuild.Platform.Linux_arm64).Ref,
        },
        Push = true,
        Registry = login,
    });

    return new Dictionary<string, object?>
    {
        ["pushedRef"] = pushed.Ref,
        ["bothRef"] = both.Ref,
        ["cachedDigest"] = cachedInRegistry.Digest,
        ["builtFor"] = platforms.Platforms,
        ["stageTarget"] = stage.Target,
    };
});

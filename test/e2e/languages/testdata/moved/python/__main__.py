# Written for another package. The test changes the name of the package and nothing else.
import pulumi
import pulumi_docker_build as docker_build

config = pulumi.Config()
registry = config.require("registry")
password = pulumi.Output.secret(config.require("password"))
sources = config.require("sources")
base = config.require("base")
login = docker_build.RegistryArgs(address=registry, username="shop", password=password)
context = docker_build.BuildContextArgs(location="./app")

configured = docker_build.Provider("configured", host="", registries=[login])

platforms = docker_build.Image(
    "platforms",
    push=False,
    context={"location": "./app"},
    dockerfile={"location": "./app/Dockerfile.platforms"},
    platforms=[docker_build.Platform.LINUX_PPC64LE, docker_build.Platform.FREEBSD_AMD64],
)
pushed = docker_build.Image(
    "pushed",
    push=True,
    context=context,
    tags=[f"{registry}/shop/app:1.0"],
    registries=[login],
)
docker_build.Image(
    "exported",
    push=False,
    context=context,
    tags=[f"{registry}/shop/exported:1.0"],
    exports=[{"registry": {"oci_media_types": True, "push": False}}],
    opts=pulumi.ResourceOptions(provider=configured),
)
docker_build.Image(
    "cached",
    push=False,
    context=context,
    cache_to=[{"local": {"dest": "build/cache", "mode": docker_build.CacheMode.MAX}}],
    cache_from=[{"local": {"src": "build/cache"}}],
)

# What a repository of Amazon ECR gives.
repository_url = pulumi.Output.from_input(f"{registry}/shop/ecr")
cache = repository_url.apply(lambda url: f"{url}:cache")
cached_in_registry = docker_build.Image(
    "cachedInRegistry",
    push=True,
    context=context,
    cache_from=[
        docker_build.CacheFromArgs(registry=docker_build.CacheFromRegistryArgs(ref=cache)),
    ],
    cache_to=[
        docker_build.CacheToArgs(
            registry=docker_build.CacheToRegistryArgs(image_manifest=True, oci_media_types=True, ref=cache),
        ),
    ],
    registries=[docker_build.RegistryArgs(address=repository_url, username="AWS", password=password)],
    tags=[pulumi.Output.concat(repository_url, ":latest")],
)

docker_build.Image(
    "arguments",
    push=False,
    context=context,
    dockerfile=docker_build.DockerfileArgs(location="./app/Dockerfile.arguments"),
    build_args={"GREETING": "hello", "EMPTY": ""},
)
docker_build.Image(
    "hosts",
    push=False,
    context=context,
    dockerfile={"location": "./app/Dockerfile.hosts"},
    add_hosts=["db.shop.example:10.0.0.5"],
)
docker_build.Image(
    "key",
    push=False,
    context=context,
    dockerfile={"location": "./app/Dockerfile.key"},
    ssh=[docker_build.SSHArgs(id="default"), {"id": "deploy", "paths": ["./deploy.key"]}],
)
docker_build.Image(
    "token",
    push=False,
    context=context,
    dockerfile={"location": "./app/Dockerfile.token"},
    secrets={"token": "open sesame"},
    ignore_secrets_in_diff_calculation=["token"],
)
docker_build.Image(
    "described",
    push=False,
    context=context,
    labels={"description": "All that the shop sells ✓"},
)
stage = docker_build.Image(
    "stage",
    push=False,
    context=context,
    dockerfile={"location": "./app/Dockerfile.stages"},
    target="tested",
)
docker_build.Image(
    "named",
    push=False,
    context=docker_build.BuildContextArgs(
        location="./app",
        named={
            "toolchain:latest": docker_build.ContextArgs(location=f"docker-image://{base}"),
            "assets": docker_build.ContextArgs(location="./assets"),
        },
    ),
    dockerfile={"location": "./app/Dockerfile.named"},
)
docker_build.Image("dockerfileByUrl", push=False, context={"location": f"{sources}/Dockerfile"})
docker_build.Image(
    "repository",
    push=False,
    context={"location": f"{sources}/repo.git#main"},
    dockerfile={"location": "app/Other"},
)
docker_build.Image(
    "repositoryWithInline",
    push=False,
    context={"location": f"{sources}/repo.git#main"},
    dockerfile={"inline": "FROM scratch\nCOPY hello /\n"},
)
docker_build.Image(
    "written",
    push=False,
    dockerfile=docker_build.DockerfileArgs(inline=f"FROM {base}\nRUN echo written in the program\n"),
)
docker_build.Image("loaded", push=False, context=context, exports=[{"docker": {"tar": True}}])
docker_build.Image(
    "cloud",
    push=False,
    build_on_preview=False,
    builder=docker_build.BuilderConfigArgs(name="cloud-shop"),
    exec_=True,
    context=context,
)
docker_build.Image(
    "files",
    push=False,
    load=False,
    no_cache=False,
    pull=False,
    network=docker_build.NetworkMode.NONE,
    context=context,
    exports=[
        docker_build.ExportArgs(local=docker_build.ExportLocalArgs(dest="build/files")),
        {"tar": {"dest": "build/files.tar"}},
        {"cacheonly": {}},
    ],
)
docker_build.Image(
    "clouds",
    push=False,
    build_on_preview=False,
    context=context,
    cache_from=[
        {"gha": {"scope": "shop"}},
        {"s3": {"bucket": "shop", "region": "eu-west-1"}},
        {"azblob": {"name": "shop", "account_url": "https://shop.blob.example.com"}},
        {"raw": f"type=registry,ref={registry}/shop/app:cache"},
        {"disabled": True, "registry": {"ref": f"{registry}/shop/app:off"}},
    ],
    cache_to=[
        {"inline": {}},
        {"gha": {"scope": "shop", "mode": docker_build.CacheMode.MAX, "ignore_error": True}},
        docker_build.CacheToArgs(
            s3=docker_build.CacheToS3Args(bucket="shop", region="eu-west-1", mode=docker_build.CacheMode.MAX),
        ),
    ],
    exports=[
        {
            "oci": {
                "dest": "build/image.tar",
                "compression": docker_build.CompressionType.ZSTD,
                "compression_level": 3,
            },
        },
        {"image": {"names": [f"{registry}/shop/clouds:1.0"], "annotations": {"vendor": "shop"}}},
        {"raw": "type=docker,dest=build/docker.tar"},
        {"disabled": True, "tar": {"dest": "build/off.tar"}},
    ],
)


def build_for(name: str, platform: docker_build.Platform) -> docker_build.Image:
    cache = f"{registry}/shop/both:cache-{name}"
    return docker_build.Image(
        name,
        push=True,
        context=context,
        platforms=[platform],
        tags=[f"{registry}/shop/both:1.0-{name}"],
        cache_to=[{"registry": {"ref": cache, "mode": docker_build.CacheMode.MAX}}],
        cache_from=[{"registry": {"ref": cache}}],
    )


both = docker_build.Index(
    "both",
    tag=f"{registry}/shop/both:1.0",
    sources=[
        build_for("amd64", docker_build.Platform.LINUX_AMD64).ref,
        build_for("arm64", docker_build.Platform.LINUX_ARM64).ref,
    ],
    push=True,
    registry=login,
)

pulumi.export("pushedRef", pushed.ref)
pulumi.export("bothRef", both.ref)
pulumi.export("cachedDigest", cached_in_registry.digest)
pulumi.export("builtFor", platforms.platforms)
pulumi.export("stageTarget", stage.target)

import pulumi
import pulumi_buildkit as buildkit

config = pulumi.Config()
repository = config.require("repository")

server = buildkit.Image(
    "server",
    context={
        "location": "..",
        "named": {"go": {"location": config.require("goroot")}},
    },
    platforms=[buildkit.Platform.LINUX_AMD64, buildkit.Platform.LINUX_ARM64],
    build_args={"VERSION": "1.0"},
    tags=[f"{repository}:latest"],
)

# What the registry has.
pushed = buildkit.get_image_output(ref=server.ref)

pulumi.export("ref", server.ref)
# Compressed, in bytes.
pulumi.export("size", pushed.platforms["linux/arm64"].size)
# What a service runs: the index, and nothing that a later push can move.
pulumi.export("repoDigest", server.repo_digest)

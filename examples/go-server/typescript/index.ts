import * as buildkit from "@pulumi-buildkit/buildkit";
import * as pulumi from "@pulumi/pulumi";

const config = new pulumi.Config();
const repository = config.require("repository");

const server = new buildkit.Image("server", {
    context: {
        location: "..",
        named: { go: { location: config.require("goroot") } },
    },
    platforms: ["linux/amd64", "linux/arm64"],
    buildArgs: { VERSION: "1.0" },
    tags: [`${repository}:latest`],
});

// What the registry has.
const pushed = buildkit.getImageOutput({ ref: server.ref });

export const ref = server.ref;
// Compressed, in bytes.
export const size = pushed.platforms["linux/arm64"].size;
// What a service runs: the index, and nothing that a later push can move.
export const repoDigest = server.repoDigest;

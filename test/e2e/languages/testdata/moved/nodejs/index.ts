// Written for another package. The test changes the name of the package and nothing else.
import * as fs from "fs";
import * as pulumi from "@pulumi/pulumi";
import * as dockerBuild from "@pulumi/docker-build";

const config = new pulumi.Config();
const registry = config.require("registry");
const password = pulumi.secret(config.require("password"));
const sources = config.require("sources");
const base = config.require("base");
const login: dockerBuild.types.input.RegistryArgs = { address: registry, username: "shop", password };
const context = { location: "./app" };

const configured = new dockerBuild.Provider("configured", { host: "", registries: [login] });

const platforms = new dockerBuild.Image("platforms", {
    push: false,
    context,
    dockerfile: { location: "./app/Dockerfile.platforms" },
    platforms: [dockerBuild.Platform.Linux_ppc64le, dockerBuild.Platform.Freebsd_amd64],
});
const pushed = new dockerBuild.Image("pushed", {
    push: true,
    context,
    tags: [`${registry}/shop/app:1.0`],
    registries: [login],
});
new dockerBuild.Image("exported", {
    push: false,
    context,
    tags: [`${registry}/shop/exported:1.0`],
    exports: [{ registry: { ociMediaTypes: true, push: false } }],
}, { provider: configured });
new dockerBuild.Image("cached", {
    push: false,
    context,
    cacheTo: [{ local: { dest: "build/cache", mode: dockerBuild.CacheMode.Max } }],
    cacheFrom: [{ local: { src: "build/cache" } }],
});

// What a repository of Amazon ECR and its login give.
const repository = { repositoryUrl: pulumi.output(`${registry}/shop/ecr`) };
const token = pulumi.output({ userName: "AWS", password });
const cachedInRegistry = new dockerBuild.Image("cachedInRegistry", {
    push: true,
    context,
    cacheFrom: [{ registry: { ref: pulumi.interpolate`${repository.repositoryUrl}:cache` } }],
    cacheTo: [{
        registry: {
            ref: pulumi.interpolate`${repository.repositoryUrl}:cache`,
            imageManifest: true,
            ociMediaTypes: true,
        },
    }],
    registries: [{ address: repository.repositoryUrl, username: token.userName, password: token.password }],
    tags: [pulumi.interpolate`${repository.repositoryUrl}:latest`],
});

new dockerBuild.Image("arguments", {
    push: false,
    context,
    dockerfile: { location: "./app/Dockerfile.arguments" },
    buildArgs: { GREETING: "hello", EMPTY: "" },
});
new dockerBuild.Image("hosts", {
    push: false,
    context,
    dockerfile: { location: "./app/Dockerfile.hosts" },
    addHosts: ["db.shop.example:10.0.0.5"],
});
new dockerBuild.Image("key", {
    push: false,
    context,
    dockerfile: { location: "./app/Dockerfile.key" },
    ssh: [{ id: "default" }, { id: "deploy", paths: ["./deploy.key"] }],
});
new dockerBuild.Image("token", {
    push: false,
    context,
    dockerfile: { location: "./app/Dockerfile.token" },
    secrets: { token: "open sesame" },
    ignoreSecretsInDiffCalculation: ["token"],
});
new dockerBuild.Image("described", {
    push: false,
    context,
    labels: { description: "All that the shop sells ✓" },
});
const stage = new dockerBuild.Image("stage", {
    push: false,
    context,
    dockerfile: { location: "./app/Dockerfile.stages" },
    target: "tested",
});
new dockerBuild.Image("named", {
    push: false,
    context: {
        location: "./app",
        named: {
            "toolchain:latest": { location: `docker-image://${base}` },
            assets: { location: "./assets" },
        },
    },
    dockerfile: { location: "./app/Dockerfile.named" },
});
new dockerBuild.Image("dockerfileByUrl", { push: false, context: { location: `${sources}/Dockerfile` } });
new dockerBuild.Image("repository", {
    push: false,
    context: { location: `${sources}/repo.git#main` },
    dockerfile: { location: "app/Other" },
});
new dockerBuild.Image("repositoryWithInline", {
    push: false,
    context: { location: `${sources}/repo.git#main` },
    dockerfile: { inline: "FROM scratch\nCOPY hello /\n" },
});
new dockerBuild.Image("written", {
    push: false,
    dockerfile: { inline: `FROM ${base}\nRUN echo written in the program\n` },
});
new dockerBuild.Image("loaded", { push: false, context, exports: [{ docker: { tar: true } }] });
new dockerBuild.Image("cloud", {
    push: false,
    buildOnPreview: false,
    builder: { name: "cloud-shop" },
    exec: true,
    context,
});
const files = new dockerBuild.Image("files", {
    push: false,
    load: false,
    noCache: false,
    pull: false,
    network: dockerBuild.NetworkMode.None,
    context,
    exports: [{ local: { dest: "build/files" } }, { tar: { dest: "build/files.tar" } }, { cacheonly: {} }],
});
// As for the archive of a function: the program reads what the image has written, in a preview too.
files.exports.apply(() => {
    const hello = fs.readFileSync("build/files/hello", "utf8");
    if (hello !== "hello\n" || !fs.existsSync("build/files.tar")) {
        throw new Error(`the image has written ${hello}`);
    }
    return new pulumi.asset.FileArchive("build/files");
});
new dockerBuild.Image("clouds", {
    push: false,
    buildOnPreview: false,
    context,
    cacheFrom: [
        { gha: { scope: "shop" } },
        { s3: { bucket: "shop", region: "eu-west-1" } },
        { azblob: { name: "shop", accountUrl: "https://shop.blob.example.com" } },
        { raw: `type=registry,ref=${registry}/shop/app:cache` },
        { disabled: true, registry: { ref: `${registry}/shop/app:off` } },
    ],
    cacheTo: [
        { inline: {} },
        { gha: { scope: "shop", mode: dockerBuild.CacheMode.Max, ignoreError: true } },
        { s3: { bucket: "shop", region: "eu-west-1", mode: "max" } },
    ],
    exports: [
        { oci: { dest: "build/image.tar", compression: dockerBuild.CompressionType.Zstd, compressionLevel: 3 } },
        { image: { names: [`${registry}/shop/clouds:1.0`], annotations: { vendor: "shop" } } },
        { raw: "type=docker,dest=build/docker.tar" },
        { disabled: true, tar: { dest: "build/off.tar" } },
    ],
});

function buildFor(name: string, platform: dockerBuild.Platform): dockerBuild.Image {
    const args: dockerBuild.ImageArgs = {
        push: true,
        context,
        platforms: [platform],
        tags: [`${registry}/shop/both:1.0-${name}`],
        cacheTo: [{ registry: { ref: `${registry}/shop/both:cache-${name}`, mode: dockerBuild.CacheMode.Max } }],
        cacheFrom: [{ registry: { ref: `${registry}/shop/both:cache-${name}` } }],
    };
    return new dockerBuild.Image(name, args);
}
const both = new dockerBuild.Index("both", {
    tag: `${registry}/shop/both:1.0`,
    sources: [
        buildFor("amd64", dockerBuild.Platform.Linux_amd64).ref,
        buildFor("arm64", dockerBuild.Platform.Linux_arm64).ref,
    ],
    push: true,
    registry: login,
});

export const pushedRef = pushed.ref;
export const bothRef = both.ref;
export const cachedDigest = cachedInRegistry.digest;
export const builtFor = platforms.platforms;
export const stageTarget = stage.target;

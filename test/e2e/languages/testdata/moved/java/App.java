// Written for another package. The test changes the name of the package and nothing else.
package shop;

import com.pulumi.Context;
import com.pulumi.Pulumi;
import com.pulumi.core.Output;
import com.pulumi.dockerbuild.Image;
import com.pulumi.dockerbuild.ImageArgs;
import com.pulumi.dockerbuild.Index;
import com.pulumi.dockerbuild.IndexArgs;
import com.pulumi.dockerbuild.Provider;
import com.pulumi.dockerbuild.ProviderArgs;
import com.pulumi.dockerbuild.enums.CacheMode;
import com.pulumi.dockerbuild.enums.CompressionType;
import com.pulumi.dockerbuild.enums.NetworkMode;
import com.pulumi.dockerbuild.enums.Platform;
import com.pulumi.dockerbuild.inputs.*;
import com.pulumi.resources.CustomResourceOptions;
import java.util.Map;

public class App {
    public static void main(String[] args) {
        Pulumi.run(App::stack);
    }

    private static DockerfileArgs dockerfile(String name) {
        return DockerfileArgs.builder().location("./app/Dockerfile." + name).build();
    }

    private static void stack(Context ctx) {
        final var config = ctx.config();
        final var registry = config.require("registry");
        final var password = Output.ofSecret(config.require("password"));
        final var sources = config.require("sources");
        final var base = config.require("base");
        final var login = RegistryArgs.builder().address(registry).username("shop").password(password).build();
        final var app = BuildContextArgs.builder().location("./app").build();

        var configured = new Provider("configured", ProviderArgs.builder().host("").registries(login).build());

        var platforms = new Image("platforms", ImageArgs.builder()
            .push(false)
            .context(app)
            .dockerfile(dockerfile("platforms"))
            .platforms(Platform.Linux_ppc64le, Platform.Freebsd_amd64)
            .build());
        var pushed = new Image("pushed", ImageArgs.builder()
            .push(true)
            .context(app)
            .tags(String.format("%s/shop/app:1.0", registry))
            .registries(login)
            .build());
        new Image("exported", ImageArgs.builder()
            .push(false)
            .context(app)
            .tags(registry + "/shop/exported:1.0")
            .exports(ExportArgs.builder()
                .registry(ExportRegistryArgs.builder().ociMediaTypes(true).push(false).build())
                .build())
            .build(), CustomResourceOptions.builder().provider(configured).build());
        new Image("cached", ImageArgs.builder()
            .push(false)
            .context(app)
            .cacheTo(CacheToArgs.builder()
                .local(CacheToLocalArgs.builder().dest("build/cache").mode(CacheMode.Max).build())
                .build())
            .cacheFrom(CacheFromArgs.builder().local(CacheFromLocalArgs.builder().src("build/cache").build()).build())
            .build());

        // What a repository of Amazon ECR gives.
        final var repositoryUrl = Output.of(registry + "/shop/ecr");
        final var cache = repositoryUrl.applyValue(url -> String.format("%s:cache", url));
        var cachedInRegistry = new Image("cachedInRegistry", ImageArgs.builder()
            .push(true)
            .context(app)
            .cacheFrom(CacheFromArgs.builder().registry(CacheFromRegistryArgs.builder().ref(cache).build()).build())
            .cacheTo(CacheToArgs.builder()
                .registry(CacheToRegistryArgs.builder().imageManifest(true).ociMediaTypes(true).ref(cache).build())
                .build())
            .registries(RegistryArgs.builder().address(repositoryUrl).username("AWS").password(password).build())
            .tags(Output.all(Output.format("%s:latest", repositoryUrl)))
            .build());

        new Image("arguments", ImageArgs.builder()
            .push(false)
            .context(app)
            .dockerfile(dockerfile("arguments"))
            .buildArgs(Map.of("GREETING", "hello", "EMPTY", ""))
            .build());
        new Image("hosts", ImageArgs.builder()
            .push(false)
            .context(app)
            .dockerfile(dockerfile("hosts"))
            .addHosts("db.shop.example:10.0.0.5")
            .build());
        new Image("key", ImageArgs.builder()
            .push(false)
            .context(app)
            .dockerfile(dockerfile("key"))
            .ssh(SSHArgs.builder().id("default").build(), SSHArgs.builder().id("deploy").paths("./deploy.key").build())
            .build());
        new Image("token", ImageArgs.builder()
            .push(false)
            .context(app)
            .dockerfile(dockerfile("token"))
            .secrets(Map.of("token", "open sesame"))
            .ignoreSecretsInDiffCalculation("token")
            .build());
        new Image("described", ImageArgs.builder()
            .push(false)
            .context(app)
            .labels(Map.of("description", "All that the shop sells ✓"))
            .build());
        var stage = new Image("stage", ImageArgs.builder()
            .push(false)
            .context(app)
            .dockerfile(dockerfile("stages"))
            .target("tested")
            .build());
        new Image("named", ImageArgs.builder()
            .push(false)
            .context(BuildContextArgs.builder()
                .location("./app")
                .named(Map.of(
                    "toolchain:latest", ContextArgs.builder().location("docker-image://" + base).build(),
                    "assets", ContextArgs.builder().location("./assets").build()))
                .build())
            .dockerfile(dockerfile("named"))
            .build());
        new Image("dockerfileByUrl", ImageArgs.builder()
            .push(false)
            .context(BuildContextArgs.builder().location(sources + "/Dockerfile").build())
            .build());
        new Image("repository", ImageArgs.builder()
            .push(false)
            .context(BuildContextArgs.builder().location(sources + "/repo.git#main").build())
            .dockerfile(DockerfileArgs.builder().location("app/Other").build())
            .build());
        new Image("repositoryWithInline", ImageArgs.builder()
            .push(false)
            .context(BuildContextArgs.builder().location(sources + "/repo.git#main").build())
            .dockerfile(DockerfileArgs.builder().inline("FROM scratch\nCOPY hello /\n").build())
            .build());
        new Image("written", ImageArgs.builder()
            .push(false)
            .dockerfile(DockerfileArgs.builder().inline("FROM " + base + "\nRUN echo written in the program\n").build())
            .build());
        new Image("loaded", ImageArgs.builder()
            .push(false)
            .context(app)
            .exports(ExportArgs.builder().docker(ExportDockerArgs.builder().tar(true).build()).build())
            .build());
        new Image("cloud", ImageArgs.builder()
            .push(false)
            .buildOnPreview(false)
            .builder_(BuilderConfigArgs.builder().name("cloud-shop").build())
            .exec(true)
            .context(app)
            .build());
        new Image("files", ImageArgs.builder()
            .push(false)
            .load(false)
            .noCache(false)
            .pull(false)
            .network(NetworkMode.None)
            .context(app)
            .exports(
                ExportArgs.builder().local(ExportLocalArgs.builder().dest("build/files").build()).build(),
                ExportArgs.builder().tar(ExportTarArgs.builder().dest("build/files.tar").build()).build(),
                ExportArgs.builder().cacheonly(ExportCacheOnlyArgs.Empty).build())
            .build());
        new Image("clouds", clouds(registry, app));

        var both = new Index("both", IndexArgs.builder()
            .tag(registry + "/shop/both:1.0")
            .sources(Output.all(
                buildFor(registry, "amd64", Platform.Linux_amd64, app).ref(),
                buildFor(registry, "arm64", Platform.Linux_arm64, app).ref()))
            .push(true)
            .registry(login)
            .build());

        ctx.export("pushedRef", pushed.ref());
        ctx.export("bothRef", both.ref());
        ctx.export("cachedDigest", cachedInRegistry.digest());
        ctx.export("builtFor", platforms.platforms());
        ctx.export("stageTarget", stage.target());
    }

    /** Caches and exports that no test machine reaches. */
    private static ImageArgs clouds(String registry, BuildContextArgs app) {
        final var off = CacheFromRegistryArgs.builder().ref(registry + "/shop/app:off").build();
        return ImageArgs.builder()
            .push(false)
            .buildOnPreview(false)
            .context(app)
            .cacheFrom(
                CacheFromArgs.builder().gha(CacheFromGitHubActionsArgs.builder().scope("shop").build()).build(),
                CacheFromArgs.builder()
                    .s3(CacheFromS3Args.builder().bucket("shop").region("eu-west-1").build())
                    .build(),
                CacheFromArgs.builder()
                    .azblob(CacheFromAzureBlobArgs.builder()
                        .name("shop")
                        .accountUrl("https://shop.blob.example.com")
                        .build())
                    .build(),
                CacheFromArgs.builder().raw("type=registry,ref=" + registry + "/shop/app:cache").build(),
                CacheFromArgs.builder().disabled(true).registry(off).build())
            .cacheTo(
                CacheToArgs.builder().inline(CacheToInlineArgs.Empty).build(),
                CacheToArgs.builder()
                    .gha(CacheToGitHubActionsArgs.builder().scope("shop").mode(CacheMode.Max).ignoreError(true).build())
                    .build(),
                CacheToArgs.builder()
                    .s3(CacheToS3Args.builder().bucket("shop").region("eu-west-1").mode(CacheMode.Max).build())
                    .build())
            .exports(
                ExportArgs.builder()
                    .oci(ExportOCIArgs.builder()
                        .dest("build/image.tar")
                        .compression(CompressionType.Zstd)
                        .compressionLevel(3)
                        .build())
                    .build(),
                ExportArgs.builder()
                    .image(ExportImageArgs.builder()
                        .names(registry + "/shop/clouds:1.0")
                        .annotations(Map.of("vendor", "shop"))
                        .build())
                    .build(),
                ExportArgs.builder().raw("type=docker,dest=build/docker.tar").build(),
                ExportArgs.builder()
                    .disabled(true)
                    .tar(ExportTarArgs.builder().dest("build/off.tar").build())
                    .build())
            .build();
    }

    /** An image for one platform, with a cache of its own. */
    private static Image buildFor(String registry, String name, Platform platform, BuildContextArgs app) {
        final var cache = registry + "/shop/both:cache-" + name;
        return new Image(name, ImageArgs.builder()
            .push(true)
            .context(app)
            .platforms(platform)
            .tags(registry + "/shop/both:1.0-" + name)
            .cacheTo(CacheToArgs.builder()
                .registry(CacheToRegistryArgs.builder().ref(cache).mode(CacheMode.Max).build())
                .build())
            .cacheFrom(CacheFromArgs.builder().registry(CacheFromRegistryArgs.builder().ref(cache).build()).build())
            .build());
    }
}

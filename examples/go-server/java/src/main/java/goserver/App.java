package goserver;

import com.pulumi.Context;
import com.pulumi.Pulumi;
import io.github.pulumibuildkit.buildkit.BuildkitFunctions;
import io.github.pulumibuildkit.buildkit.Image;
import io.github.pulumibuildkit.buildkit.ImageArgs;
import io.github.pulumibuildkit.buildkit.enums.Platform;
import io.github.pulumibuildkit.buildkit.inputs.BuildContextArgs;
import io.github.pulumibuildkit.buildkit.inputs.ContextArgs;
import io.github.pulumibuildkit.buildkit.inputs.GetImageArgs;
import java.util.Map;

public class App {
    public static void main(String[] args) {
        Pulumi.run(App::stack);
    }

    private static void stack(Context ctx) {
        var config = ctx.config();
        var go = ContextArgs.builder().location(config.require("goroot")).build();
        var server = new Image("server", ImageArgs.builder()
            .context(BuildContextArgs.builder().location("..").named(Map.of("go", go)).build())
            .platforms(Platform.Linux_amd64, Platform.Linux_arm64)
            .buildArgs(Map.of("VERSION", "1.0"))
            .tags(config.require("repository") + ":latest")
            .build());

        // What the registry has.
        var pushed = BuildkitFunctions.getImage(GetImageArgs.builder().ref(server.ref()).build());

        ctx.export("ref", server.ref());
        // Compressed, in bytes.
        ctx.export("size", pushed.applyValue(image -> image.platforms().get("linux/arm64").size()));
        // What a service runs: the index, and nothing that a later push can move.
        ctx.export("repoDigest", server.repoDigest());
    }
}

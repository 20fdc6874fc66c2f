// Command pulumi-resource-buildkit is the Pulumi provider plugin. Pulumi starts it; people do not.
package main

import (
	"context"
	"os"

	p "github.com/pulumi/pulumi-go-provider"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/dockerfile"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/startup"
	"github.com/pulumi-buildkit/pulumi-buildkit/provider"
)

// version is stamped by the linker: -X main.version=1.2.3
var version = "0.0.0-dev"

// timeouts is stamped by the linker, for the tests of package reliability alone: see provider.ParseTimeouts.
var timeouts string

// endStart sets how much garbage the process that these arguments ask for leaves uncollected.
func endStart(args []string) {
	if daemon.IsRole(args) || dockerfile.IsChild(args) {
		startup.Restore()
		return
	}
	startup.Finish()
}

func main() {
	endStart(os.Args[1:])
	if handled, code := daemon.RunRole(os.Args[1:]); handled {
		os.Exit(code)
	}
	quietLibraries()
	if handled, code := dockerfile.RunChild(os.Args[1:]); handled {
		os.Exit(code)
	}
	alive := watchEngine()
	rescue.Go(reportWatchEnd, func() { exitWithEngine(alive) })
	within, err := provider.ParseTimeouts(timeouts)
	if err == nil {
		err = keepSecrets()
	}
	if err == nil {
		err = p.RunProvider(context.Background(), provider.Name, version, provider.NewWithin(alive, within))
	}
	if err != nil {
		_, _ = os.Stderr.WriteString("pulumi-resource-buildkit: " + err.Error() + "\n")
		os.Exit(1)
	}
}

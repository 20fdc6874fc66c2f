// Command pulumi-buildkit-builder runs in the container of our BuildKit in a Docker Engine. The plugin starts it;
// people do not.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/inside"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/tunnel"
)

func main() {
	if handled, code := daemon.RunRole(os.Args[1:]); handled {
		os.Exit(code)
	}
	if err := run(os.Args[1:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == inside.ServeRole:
		return inside.Serve()
	case len(args) == 1 && args[0] == inside.ConnectRole:
		return inside.Connect(context.Background(), os.Stdin, os.Stdout)
	case len(args) == 1 && args[0] == inside.TunnelRole:
		return tunnel.Listen(context.Background(), inside.StateFolder, os.Stdin, os.Stdout)
	}
	return fmt.Errorf("%s: this is a part of the plugin that it starts itself: run pulumi up instead", inside.Program)
}

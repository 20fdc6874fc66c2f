// Command pulumi-buildkit-mounts runs on a builder, in the steps that restore and save cache mounts. The plugin sends
// and starts it; people do not.
package main

import (
	"fmt"
	"os"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/mounts/folder"
)

func main() {
	if err := folder.Run(os.Args[1:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

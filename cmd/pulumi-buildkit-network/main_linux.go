// Command pulumi-buildkit-network is the network of build steps: the CNI plugin that BuildKit runs, and the relay that
// the keeper of the embedded daemon runs. People do not start it.
package main

import (
	"os"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/network"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/network/cni"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/network/relay"
)

func main() {
	switch {
	case os.Getenv(cni.CommandVariable) != "":
		os.Exit(cni.Run(os.Stdin, os.Stdout))
	case len(os.Args) > 1 && os.Args[1] == network.RelayRole:
		os.Exit(relay.Run(os.Args[2:]))
	}
	_, _ = os.Stderr.WriteString(network.Program + ": this is a part of the plugin that it starts itself: run pulumi " +
		"up instead\n")
	os.Exit(2)
}

// Command frontend is the Dockerfile frontend as a program of its own. It knows no option that the build argument DROP
// names, in a list with commas.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/builder"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/gateway/grpcclient"
)

type forgetful struct{ client.Client }

// BuildOpts returns the options that the frontend knows.
func (f forgetful) BuildOpts() client.BuildOpts {
	opts := f.Client.BuildOpts()
	for option := range strings.SplitSeq(opts.Opts["build-arg:DROP"], ",") {
		delete(opts.Opts, option)
	}
	return opts
}

func main() {
	build := func(ctx context.Context, c client.Client) (*client.Result, error) {
		return builder.Build(ctx, forgetful{c})
	}
	if err := grpcclient.RunFromEnvironment(context.Background(), build); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

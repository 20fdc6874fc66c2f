// Command automation builds a matrix of images, every version of an app in every flavor, without a Pulumi.yaml and without the CLI's
// own output: it shows what happens itself.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pulumi-buildkit/pulumi-buildkit/sdk/go/buildkit"
)

var (
	versions = []string{"1.0", "1.1"}
	flavors  = []string{"small", "debug"} // stages of the Dockerfile
)

func main() {
	repository := flag.String("repository", "", "where to push, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com/app")
	app := flag.String("app", "app", "folder of the app and its Dockerfile")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *app, *repository); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run updates the stack "matrix" and prints a line for each image that is done, then the digests.
func run(ctx context.Context, out io.Writer, app, repository string) error {
	stack, err := auto.UpsertStackInlineSource(ctx, "matrix", "automation", matrix(app, repository))
	if err != nil {
		return err
	}
	happened := make(chan events.EngineEvent)
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		show(out, happened)
	}()
	result, err := stack.Up(ctx, optup.EventStreams(happened)) // closes the channel
	<-shown
	if err != nil {
		return err
	}
	for _, name := range names() {
		fmt.Fprintf(out, "%s %s\n", name, result.Outputs[name].Value)
	}
	return nil
}

// matrix is the program: all images are independent, so that they build side by side and share what their stages share.
func matrix(app, repository string) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		for _, version := range versions {
			for _, flavor := range flavors {
				image, err := buildkit.NewImage(ctx, version+"-"+flavor, &buildkit.ImageArgs{
					Context:   &buildkit.BuildContextArgs{Location: pulumi.String(app)},
					Target:    pulumi.String(flavor),
					BuildArgs: pulumi.StringMap{"VERSION": pulumi.String(version)},
					Platforms: pulumi.ToStringArray([]string{"linux/amd64", "linux/arm64"}),
					Tags:      pulumi.StringArray{pulumi.String(repository + ":" + version + "-" + flavor)},
				})
				if err != nil {
					return err
				}
				ctx.Export(version+"-"+flavor, image.RepoDigest)
			}
		}
		return nil
	}
}

func names() []string {
	var all []string
	for _, version := range versions {
		for _, flavor := range flavors {
			all = append(all, version+"-"+flavor)
		}
	}
	return all
}

// Command automation builds a matrix of images: every version of an app in every flavor. It needs no Pulumi.yaml, and
// prints its own progress instead of the CLI's.
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
	repository := flag.String("repository", "",
		"where to push, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com/app")
	app := flag.String("app", "app", "folder of the app and its Dockerfile")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *app, *repository); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run updates the stack "matrix". It prints a line for each finished image, then the digests.
func run(ctx context.Context, out io.Writer, app, repository string) error {
	stack, err := auto.UpsertStackInlineSource(ctx, "matrix", "automation", matrix(app, repository))
	if err != nil {
		return err
	}
	updates := make(chan events.EngineEvent)
	done := make(chan struct{})
	go func() {
		defer close(done)
		show(out, updates)
	}()
	result, err := stack.Up(ctx, optup.EventStreams(updates)) // closes the channel
	<-done
	if err != nil {
		return err
	}
	for _, name := range imageNames() {
		fmt.Fprintf(out, "%s %s\n", name, result.Outputs[name].Value)
	}
	return nil
}

// matrix returns the program. The images do not depend on each other, so they build in parallel and share stages.
func matrix(app, repository string) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		for _, version := range versions {
			for _, flavor := range flavors {
				image, err := buildkit.NewImage(ctx, version+"-"+flavor, &buildkit.ImageArgs{
					Context:   &buildkit.BuildContextArgs{Location: pulumi.String(app)},
					Target:    pulumi.String(flavor),
					BuildArgs: pulumi.StringMap{"VERSION": pulumi.String(version)},
					Platforms: buildkit.PlatformArray{buildkit.Platform_Linux_amd64, buildkit.Platform_Linux_arm64},
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

// imageNames returns the name of each image of the matrix.
func imageNames() []string {
	var all []string
	for _, version := range versions {
		for _, flavor := range flavors {
			all = append(all, version+"-"+flavor)
		}
	}
	return all
}

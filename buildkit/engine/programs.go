package engine

import "github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/inside"

// programs are the programs in the image of our BuildKit.
var programs = []string{inside.Program, "buildkitd", "runc", "pulumi-buildkit-network"}

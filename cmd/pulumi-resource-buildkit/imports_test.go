package main

import (
	"os/exec"
	"strings"
	"testing"
)

// The direction of imports is the architecture: cmd → provider → {buildkit, registry}. The two leaves know neither
// Pulumi nor each other. The linter checks each import; this test also checks what the imported packages import.
func TestImportsGoOneWay(t *testing.T) {
	t.Parallel()
	const module = "github.com/pulumi-buildkit/pulumi-buildkit/"
	banned := map[string][]string{
		"buildkit": {
			module + "registry", module + "provider", "github.com/pulumi/", "github.com/google/go-containerregistry",
		},
		"buildkit/inputs": {
			module + "registry", module + "provider", module + "buildkit/daemon", "github.com/pulumi/",
		},
		"buildkit/source": {module + "registry", module + "provider", "github.com/pulumi/"},
		"buildkit/daemon": {module + "registry", module + "provider", "github.com/pulumi/"},
		"buildkit/engine": {module + "registry", module + "provider", "github.com/pulumi/"},
		"registry": {
			module + "buildkit", module + "provider", "github.com/pulumi/", "github.com/moby/buildkit",
		},
		"registry/fault": {
			module + "buildkit", module + "provider", module + "registry/ecr", "github.com/pulumi/", "github.com/aws",
		},
		"cmd/pulumi-resource-buildkit": {
			"github.com/docker/buildx", "github.com/docker/cli/cli/command", "k8s.io/", "testing",
		},
	}
	for pkg, imports := range banned {
		t.Run(pkg, func(t *testing.T) {
			t.Parallel()
			out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", module+pkg).Output()
			if err != nil {
				t.Fatal(err)
			}
			for dep := range strings.FieldsSeq(string(out)) {
				for _, prefix := range imports {
					if dep == prefix || strings.HasPrefix(dep, strings.TrimSuffix(prefix, "/")+"/") {
						t.Errorf("%s depends on %s: go mod why -m, or go list -f '{{.Imports}}', shows through what",
							pkg, dep)
					}
				}
			}
		})
	}
}

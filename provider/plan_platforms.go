package provider

import (
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/platforms"
)

// normalizePlatforms returns the valid platforms in canonical form, each once, in the given order.
func normalizePlatforms[S ~string](given []S) []string {
	var set []string
	for _, s := range given {
		if p, err := normalizePlatform(string(s)); err == nil && !slices.Contains(set, p) {
			set = append(set, p)
		}
	}
	return set
}

// normalizePlatform returns the canonical form of a platform: linux/amd64 for linux/x86_64, linux/arm64 for
// linux/arm64/v8. It returns an error for an unknown platform.
func normalizePlatform(s string) (string, error) {
	parsed, err := platforms.Parse(s)
	known := slices.Contains(systems, parsed.OS) && slices.Contains(architectures, parsed.Architecture)
	if err != nil || !strings.Contains(s, "/") || !known {
		return "", fmt.Errorf("%q is not a platform: write os/architecture or os/architecture/variant, as in "+
			"linux/amd64, linux/arm64, linux/arm/v7", s)
	}
	return platforms.FormatAll(platforms.Normalize(parsed)), nil
}

// Operating systems and architectures that container images are made for
// (https://go.dev/doc/install/source#environment, less those that no registry serves).
var (
	systems = []string{
		"linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "dragonfly", "solaris", "plan9", "wasi",
	}
	architectures = []string{
		"amd64", "arm64", "arm", "386", "riscv64", "ppc64le", "ppc64", "s390x", "loong64",
		"mips64le", "mips64", "mipsle", "mips", "wasm",
	}
)

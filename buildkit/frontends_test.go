package buildkit

import (
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

func TestWhichFrontendsRun(t *testing.T) {
	t.Parallel()
	const sum = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	cases := []struct {
		source   string
		allowed  []string
		resolved bool
		want     bool
	}{
		{"docker/dockerfile:1.99-labs", nil, false, true},
		{"docker.io/docker/dockerfile-upstream:master", nil, false, true},
		{"index.docker.io/docker/dockerfile" + sum, nil, false, true},
		{"ghcr.io/docker/dockerfile:1", nil, false, false},
		{"localhost:5000/docker/dockerfile", nil, false, false},
		{"docker/dockerfile2", nil, false, false},
		{"docker/Dockerfile", nil, false, false},
		{"", nil, false, false},
		{"ghcr.io/acme/f:2", []string{"ghcr.io/acme/f"}, false, true},
		{"ghcr.io/acme/f2", []string{"ghcr.io/acme/f"}, false, false},
		{"ghcr.io/acme/f:1", []string{"ghcr.io/acme/f:1"}, false, true},
		{"ghcr.io/acme/f", []string{"ghcr.io/acme/f:latest"}, false, true},
		{"ghcr.io/acme/f:2", []string{"ghcr.io/acme/f:1"}, false, false},
		{"ghcr.io/acme/f:1" + sum, []string{"ghcr.io/acme/f:1"}, false, false},
		{"ghcr.io/acme/f:1" + sum, []string{"ghcr.io/acme/f:1"}, true, true},
		{"ghcr.io/acme/f:1" + sum, []string{"ghcr.io/acme/f" + sum}, false, true},
		{"ghcr.io/acme/f:1", []string{"ghcr.io/acme/f" + sum}, false, false},
		{"acme/f", []string{"docker.io/acme/f"}, false, true},
	}
	for _, c := range cases {
		if got := allowsFrontend(c.source, c.allowed, c.resolved); got != c.want {
			t.Errorf("%q under %q: %t", c.source, c.allowed, got)
		}
	}
}

// A named context with the name of a frontend allows that frontend, because the program wrote it. A frontend that is no
// image is never allowed.
func TestFrontendReplacedByANamedContext(t *testing.T) {
	t.Parallel()
	p := &sourcePolicy{
		guard: &Guard{},
		plan: inputs.Plan{Files: inputs.Files{
			Named: map[string]string{"evil.example/f:1": "docker-image://good.example/f"},
		}},
	}
	cases := []struct {
		frontend, source string
		refused          bool
	}{
		{"gateway.v0", "evil.example/f:1", false}, {"gateway.v0", "evil.example/f:2", true}, {
			"gateway.v0", "docker/dockerfile:2", false,
		},
		{"dockerfile.v0", "", true}, {"", "", false},
	}
	for _, c := range cases {
		if err := p.checkFrontend(c.frontend, map[string]string{"source": c.source}); (err != nil) != c.refused {
			t.Errorf("%s %s: %v", c.frontend, c.source, err)
		}
	}
}

package buildkit

import (
	"errors"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// An ONBUILD of a base image cannot copy from a remote context that was not hashed.
func TestUnhashedRemoteContextIsRefused(t *testing.T) {
	t.Parallel()
	plan := inputs.Plan{Files: inputs.Files{
		Context: t.TempDir(),
		Named:   map[string]string{"img:latest": "docker-image://example.com/i:1", "git": "https://example.com/g.git"},
	}}
	d := inputs.Texts{
		Name: "Dockerfile", Dockerfile: []byte("FROM scratch\nCOPY --from=img / /"), Named: map[string][]byte{},
	}
	run := func(reads inputs.ReadSet) error {
		g := inputs.NewDryGateway(plan, d, "linux/amd64")
		f := frontend{
			Client: g, source: d.Source(), platforms: &stepPlatforms{}, policy: &sourcePolicy{}, log: newLog(nil, nil),
			readGuard: &readGuard{hashed: inputs.Prediction{Reads: reads}},
		}
		_, err := f.run(t.Context(), g.BuildOpts().Opts)
		return err
	}
	for name, reads := range map[string]inputs.ReadSet{"hashed": {"named-img:latest": nil}, "all of it hashed": nil} {
		if err := run(reads); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if stopped := new(inputs.UnhashedError); !errors.As(run(inputs.ReadSet{}), &stopped) ||
		stopped.Source != "named-img" {
		t.Errorf("got %v", run(inputs.ReadSet{}))
	}
	d.Dockerfile = []byte("FROM scratch\nCOPY --from=git / /")
	if err := run(inputs.ReadSet{}); !errors.As(err, new(*inputs.UnhashedError)) {
		t.Errorf("got %v", err)
	}
}

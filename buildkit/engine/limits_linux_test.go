package engine_test

import (
	"archive/tar"
	"io"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	bkclient "github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// The BuildKit of an engine and ours in a container of it limit steps as the embedded daemon does. The cgroup is that
// of the engine's machine.
func TestLimitsOfStepsInAnEngine(t *testing.T) {
	own := dial(t, &containerd) // skips where there can be no engine
	t.Setenv("PULUMI_BUILDKIT_DAEMON_IDLE", "1s")
	const parent = "pulumi-buildkit-engine-limits-test"
	t.Cleanup(func() { daemontest.RemoveCgroups(t, parent) })
	host := registrytest.New(t).Host()
	base, err := stack.PushBusybox(t.Context(), "../../.cache/fixtures", host)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		connect func(*testing.T) (*bkclient.Client, error)
		parent  string
	}{
		"the engine's BuildKit": {parent: parent, connect: func(t *testing.T) (*bkclient.Client, error) {
			return own.BuildKit(t.Context())
		}},
		"ours in a container": {connect: func(t *testing.T) (*bkclient.Client, error) {
			return connectContainer(t, &containerd)
		}},
	} {
		daemon, err := c.connect(t)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		dockerfile := "FROM " + base + "\n" + daemontest.ShowLimits
		plan := inputs.Plan{
			Files:        inputs.Files{Context: t.TempDir(), Inline: []byte(dockerfile)},
			Repositories: []string{host + "/image"},
			Network:      "none", // the tests' engine has no bridge
			Limits: inputs.Limits{
				Memory: 64 << 20, CPUQuota: 150_000, CPUSetCPUs: "0", ShmSize: 3 << 20,
				Ulimits: []string{"nofile=100:200"}, CgroupParent: c.parent,
			},
		}
		built, err := solve(t, daemon, plan)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := strings.Join(strings.Fields(content(t, host+"/image@"+built.Digest, "limits")), " ")
		if got != "67108864 150000 0 3072 100 200" {
			t.Errorf("%s: a step has the limits %s", name, got)
		}
	}
}

// content returns the content of a file of an image.
func content(t *testing.T, reference, path string) string {
	t.Helper()
	ref, err := name.NewDigest(reference)
	if err != nil {
		t.Fatal(err)
	}
	image, err := remote.Image(ref, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	files := mutate.Extract(image)
	defer func() { _ = files.Close() }()
	for reader := tar.NewReader(files); ; {
		h, err := reader.Next()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if h.Name != path {
			continue
		}
		text, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// The requests to a registry grow with the number of images, and no command asks more than the page on scale says.
func TestRequestsForEachImage(t *testing.T) {
	t.Parallel()
	const few, many = 2, 12
	asked := func(images int) (requests []int) {
		registry := registrytest.New(t)
		const dockerfile = "FROM scratch\nARG NUMBER\nCOPY Dockerfile /$NUMBER\n"
		s := open(t, alike(t, images, dockerfile))
		text, err := os.ReadFile(filepath.Join(s.Dir, "Pulumi.yaml"))
		must(t, err)
		must(t, s.Write("Pulumi.yaml", strings.ReplaceAll(string(text), repository(t), registry.Host()+"/app")))
		for _, run := range []func() stack.Result{
			func() stack.Result { return s.Preview() },
			func() stack.Result { return s.Up("--skip-preview") },
			func() stack.Result { return s.Preview("--expect-no-changes") },
			func() stack.Result { return s.Up("--skip-preview", "--expect-no-changes") },
			func() stack.Result { return s.Refresh("--expect-no-changes") },
			func() stack.Result { return s.Destroy("--skip-preview") },
		} {
			before := len(registry.Requests())
			succeeds(t, run())
			requests = append(requests, len(registry.Requests())-before)
		}
		return requests
	}
	small, big := asked(few), asked(many)
	for i, limit := range scaleRequests {
		perImage := float64(big[i]-small[i]) / (many - few)
		t.Logf("%s: %d requests for %d images, %d for %d", limit.command, small[i], few, big[i], many)
		if perImage > limit.perImage {
			t.Errorf("%s: %.1f requests for each image, want at most %v", limit.command, perImage, limit.perImage)
		}
	}
}

// scaleRequests are the most requests of a command for one more image with one tag, one platform and one layer.
var scaleRequests = []struct {
	command  string
	perImage float64
}{
	{"first preview", 0}, {"first up", 14}, {"preview", 0}, {"up", 0}, {"refresh", 4}, {"destroy", 3},
}

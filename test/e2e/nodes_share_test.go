//go:build linux

package e2e

import (
	"fmt"
	"io/fs"
	"testing"
)

// alike returns a program of images for linux/amd64 that are all made by the same Dockerfile.
func alike(t testing.TB, images int, dockerfile string) fs.FS {
	t.Helper()
	resources := "resources:\n"
	for i := range images {
		resources += fmt.Sprintf("  image-%d:\n    type: buildkit:Image\n    properties:\n      "+
			"context: { location: app }\n      platforms: [linux/amd64]\n      "+
			"buildArgs: { NUMBER: \"%d\" }\n      tags: [\"REPO:%d\"]\n", i, i, i)
	}
	return program(t, resources, map[string]string{"app/Dockerfile": dockerfile})
}

// shareAmong returns the arguments of pulumi config that name builders which share images.
func shareAmong(endpoints ...string) []string {
	args := []string{"config", "set-all", "--path"}
	for i, endpoint := range endpoints {
		args = append(args, "--plaintext", fmt.Sprintf("buildkit:builders[%d].endpoint=%s", i, endpoint),
			"--plaintext", fmt.Sprintf("buildkit:builders[%d].share=true", i))
	}
	return args
}

// Builders that share divide the images of a program. That one builder has all 20 of them is as likely as one in
// 500,000.
func TestNodesShareImages(t *testing.T) {
	t.Parallel()
	first, second := "unix://"+elsewhere.start(t).socket, startSecondNode(t)
	s := open(t, alike(t, 20, "FROM scratch\nCOPY Dockerfile /\n"))
	cli(t, s, shareAmong(first, second)...)
	succeeds(t, s.Up("--skip-preview"), "+ 21 created", "building linux/amd64 on "+first,
		"building linux/amd64 on "+second)
	succeeds(t, s.Destroy("--skip-preview"))
}

//go:build linux

package e2e

import (
	"fmt"
	"testing"
)

// Builders that share divide the images of a program.
func TestNodesShareImages(t *testing.T) {
	t.Parallel()
	resources := "resources:\n"
	for i := range 20 { // that one builder has all of them is as likely as one in 500,000
		resources += fmt.Sprintf("  image-%d:\n    type: buildkit:Image\n    properties: { context: { location: app }, "+
			"platforms: [linux/amd64], tags: [\"REPO:%d\"] }\n", i, i)
	}
	s := open(t, program(t, resources, map[string]string{"app/Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"}))
	first, second := "unix://"+elsewhere.start(t).socket, startSecondNode(t)
	cli(t, s, "config", "set-all", "--path", "--plaintext", "buildkit:builders[0].endpoint="+first,
		"--plaintext", "buildkit:builders[0].share=true", "--plaintext", "buildkit:builders[1].endpoint="+second,
		"--plaintext", "buildkit:builders[1].share=true")
	succeeds(t, s.Up("--skip-preview"), "+ 21 created",
		"building linux/amd64 on "+first, "building linux/amd64 on "+second)
	succeeds(t, s.Destroy("--skip-preview"))
}

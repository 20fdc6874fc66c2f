//go:build linux

package e2e

import (
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// customTimeouts below a second work, and the error names them.
func TestACustomTimeoutEndsALongStep(t *testing.T) {
	t.Parallel()
	step := longStep(86444)
	text := readProgram(t, project(t, slowBuild, nil))
	s := open(t, project(t, slowBuild, map[string]string{"Dockerfile": "FROM BUSYBOX\nRUN " + step + "\n"}))
	must(t, s.Write("Pulumi.yaml", strings.Replace(text, "    properties:\n",
		"    options: { customTimeouts: { create: 300ms } }\n    properties:\n", 1)))
	fails(t, s.Up("--skip-preview"), "stopped after 300ms (customTimeouts.create): it was ",
		"; nothing was pushed and no tag moved. Raise customTimeouts.create if it only needs more time")
	if err := stack.WaitUntil(t.Context(), endLimit,
		func() bool { return len(stack.ProcessesWith(step)) == 0 }); err != nil {
		t.Errorf("the step still runs: %v", stack.ProcessesWith(step))
	}
	if got := tagDigest(t, repository(t)+":1"); got != "" || len(s.Export()) != 0 {
		t.Errorf("the tag holds %q, the state is %v", got, s.Export())
	}
}

//go:build linux

package e2e

import (
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// With PULUMI_BUILDKIT_DEBUG, or at the engine's debug level, the log names the builder and the source of credentials.
// It also says what the frontend asked for, what was pushed and why an image was built. The harness searches the output
// for secrets.
func TestDebugLog(t *testing.T) {
	t.Parallel()
	secret := stack.Canary("login")
	properties := scratchImage + "registries: [{ address: REPO, username: me, password: " + secret + " }]\n"
	files := map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"}
	texts := []string{
		`msg="builder taken"`, `msg="no image to reuse" reason="no build of these inputs is known"`, `msg="push ends"`,
		`msg="credential found"`, `msg="frontend asks for a source" source=local://dockerfile`,
	}
	t.Run("variable", func(t *testing.T) {
		t.Parallel()
		s := openOn(t, nil, project(t, properties, files), "PULUMI_BUILDKIT_DEBUG=1")
		succeeds(t, s.Up("--skip-preview"), texts...)
	})
	t.Run("debug level of the engine", func(t *testing.T) {
		t.Parallel()
		s := open(t, project(t, properties, files))
		succeeds(t, s.Up("--skip-preview", "--debug"), texts...)
	})
}

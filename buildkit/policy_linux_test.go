package buildkit_test

import (
	"strings"
	"testing"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// A frontend inside the daemon may call another one without this process. The daemon asks the policy about that one
// too.
func TestFrontendCalledByAFrontend(t *testing.T) {
	t.Parallel()
	ref := busybox(t)
	host, _, _ := strings.Cut(ref, "/")
	// busybox is no frontend
	for want, frontends := range map[string][]string{"not allowed by policy": nil, "exit code: 1": {ref}} {
		_, err := daemonClient(t).Solve(t.Context(), nil, client.SolveOpt{
			Frontend: "gateway.v0", FrontendAttrs: map[string]string{"source": ref},
			SourcePolicyProvider: buildkit.PolicyOf(&buildkit.Guard{Hosts: []string{host}, Frontends: frontends}),
		}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("allowed %q: got %v, want %q", frontends, err, want)
		}
	}
}

package buildkit_test

import (
	"errors"
	"strings"
	"testing"

	controlapi "github.com/moby/buildkit/api/services/control"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// dropPolicySession takes out of a request what a daemon before v0.26 does not know.
func dropPolicySession(method string, message []byte) ([]byte, error) {
	if !strings.HasSuffix(method, "Control/Solve") {
		return message, nil
	}
	var request controlapi.SolveRequest
	if err := request.UnmarshalVT(message); err != nil {
		return nil, err
	}
	request.SourcePolicySession = ""
	return request.MarshalVT()
}

// A daemon that does not know the rules of a guard builds nothing under them. Without a guard it builds.
func TestADaemonThatDoesNotAskAboutSources(t *testing.T) {
	t.Parallel()
	b := newTestBuilder(t)
	daemon, err := dial(t.Context(), newProxyOfCalls(t, &proxyOfCalls{edit: dropPolicySession}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = daemon.Close() }()
	for _, guard := range []*buildkit.Guard{nil, {}} {
		plan := inlinePlan(t.TempDir(), "FROM scratch\nCOPY a /")
		writeAlike(t, plan.Files.Context, map[string]string{"a": t.Name()})
		plan.Repositories = []string{b.repository}
		in, err := inputs.Load(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		access := buildkit.Access{Credentials: noCredentials, Guard: guard}
		_, err = buildkit.Solve(t.Context(), daemon, plan, in, access, func(buildkit.Event) {})
		old, isOld := errors.AsType[*buildkit.OldDaemonError](err)
		if guard == nil && err != nil || guard != nil && (!isOld || !strings.Contains(old.Text, "v0.26")) {
			t.Errorf("with guard %v: %v", guard != nil, err)
		}
	}
}

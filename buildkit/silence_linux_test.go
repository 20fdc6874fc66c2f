package buildkit_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// slowly keeps the daemon waiting for longer than the silence of the tests.
func slowly(w http.ResponseWriter, req *http.Request, next http.Handler) {
	select {
	case <-time.After(3 * time.Second):
	case <-req.Context().Done():
	}
	next.ServeHTTP(w, req)
}

// A registry that stops in the middle of a layer is given up when the daemon has sent nothing for as long as the silence. One that is
// slow is not, and neither is one of which nobody can tell.
func TestARegistryThatStopsInALayerIsGivenUp(t *testing.T) {
	t.Parallel()
	b := newBuildsOn(t, &stuck)
	sent := int64(0)
	trickling := func() (int64, bool) { sent += 1000; return sent, true }
	cases := map[string]struct {
		fault   registrytest.Fault
		written func() (int64, bool)
		want    string
	}{
		"silent":          {registrytest.Stall, stuck.Written, "i/o timeout: no answer within 1s"},
		"slow":            {slowly, trickling, ""},
		"nobody can tell": {slowly, nil, ""},
	}
	for name, c := range cases { //nolint:paralleltest // what one sends would be headway of another
		t.Run(name, func(t *testing.T) {
			far := registrytest.New(t)
			far.Inject(registrytest.Rule{Method: http.MethodPut, Path: "/blobs/uploads/", Times: 1, Fault: c.fault})
			plan := inline(t.TempDir(), "FROM scratch\nCOPY a /")
			alike(t, plan.Files.Context, map[string]string{"a": t.Name()})
			plan.Repositories = []string{far.Host() + "/image"}
			inputs, err := buildkit.Load(t.Context(), plan)
			if err != nil {
				t.Fatal(err)
			}
			access := buildkit.Access{Credentials: noCredentials, Silence: time.Second, Written: c.written}
			_, err = buildkit.Solve(t.Context(), b.c, plan, inputs, access, func(buildkit.Event) {})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

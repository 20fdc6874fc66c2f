package provider

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// A registry that has no time at once gets the cache a little later.
func TestACacheIsWrittenAgainAfter429(t *testing.T) { //nolint:paralleltest // one daemon
	r := registrytest.New(t)
	r.Inject(registrytest.Rule{
		Method: http.MethodPost, Path: "/cache/blobs/", Times: 10,
		Fault: registrytest.Status(http.StatusTooManyRequests, "TOOMANYREQUESTS", "later", ""),
	})
	i := newCachedImage(t, &settings{}, `{}`, registryCacheTo(r, r, ""))
	i.mustCreate(t)
	if !strings.Contains(i.logText(), "wrote the cache "+r.Host()+"/cache:app in ") {
		t.Errorf("logged %s", i.logText())
	}
}

// Each cache is written again for its own reason, wherever it stands among others, and its loss has its own cause.
func TestOneOfTwoCachesIsWrittenAgain(t *testing.T) { //nolint:paralleltest // one daemon
	for _, isFirst := range []bool{true, false} {
		refused, busy := registrytest.New(t), registrytest.New(t)
		refused.Inject(registrytest.Rule{
			Method: http.MethodPost, Path: "/cache/blobs/",
			Fault: registrytest.Status(http.StatusForbidden, "DENIED", "no", ""),
		})
		busy.Inject(registrytest.Rule{
			Method: http.MethodPost, Path: "/cache/blobs/", Times: 10,
			Fault: registrytest.Status(http.StatusTooManyRequests, "TOOMANYREQUESTS", "later", ""),
		})
		caches := []string{refused.Host(), busy.Host()}
		if !isFirst {
			slices.Reverse(caches)
		}
		i := newCachedImage(t, &settings{}, `{}`, fmt.Sprintf(`"tags": ["%s/app:1"], "cacheTo": [
			{"registry": {"ref": "%s/cache:app"}}, {"registry": {"ref": "%s/cache:app"}}]`,
			registrytest.New(t).Host(), caches[0], caches[1]))
		i.mustCreate(t)
		for _, want := range []string{
			"wrote the cache " + busy.Host() + "/cache:app in ",
			"cacheTo: " + refused.Host() + "/cache:app was not written: 403 denied: no",
		} {
			if strings.Count(i.logText(), want) != 1 {
				t.Errorf("the refused one is the first: %t: logged %s\nwant once %s", isFirst, i.logText(), want)
			}
		}
	}
}

package buildkit_test

import (
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// Cache mounts change no image. A mount that starts with a stage makes that stage run on no daemon that has the results
// of all steps from a cache, even if each run of the stage makes something else.
func TestCacheMountsChangeNoDigest(t *testing.T) {
	t.Parallel()
	const dockerfile = `FROM BASE AS base
FROM base AS seed
ARG TEST
RUN mkdir /start && cat /proc/sys/kernel/random/uuid >/start/uuid
FROM base
RUN --mount=type=cache,target=/c,from=seed,source=/start cp /c/uuid /uuid`
	host := registrytest.New(t).Host()
	cache := []buildkit.Cache{registryCache(host + "/cache:app")}
	here := newMountBuild(t, shared.Endpoint(t), dockerfile, host+"/mounts")
	mounts := here.access.CacheMounts
	here.access.CacheMounts, here.access.CacheTo = nil, cache
	first, exports, err := here.solveAndExport(t.Context(), here.plan, here.access)
	if err != nil || failureOf(exports) != nil {
		t.Fatal(err, exports)
	}
	there := newMountBuild(t, startSecondEndpoint(t), dockerfile, mounts.Repository)
	there.plan, there.access.CacheFrom = here.plan, cache
	second, saved := there.run(t, "", true)
	if first.Digest != second.Digest {
		t.Errorf("with cache mounts the image is %s, without them %s", second.Digest, first.Digest)
	}
	if len(saved) != 0 || len(there.results) != 1 {
		t.Errorf("restored %+v, saved %+v", there.results, saved)
	}
}

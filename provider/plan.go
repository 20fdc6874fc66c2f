package provider

import (
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// pushLimit returns pushTimeout, or its default.
func (a ImageArgs) pushLimit() time.Duration {
	if a.PushTimeout == nil {
		return pushLimit
	}
	return time.Duration(*a.PushTimeout) * time.Second
}

// stallTimeout returns how long a registry may be silent during a push: two fifths of pushTimeout, and at least 2 minutes.
//
// A registry may take long to put a very large layer into its storage.
func (a ImageArgs) stallTimeout() time.Duration {
	return max(pushLimit, a.pushLimit()) * 2 / 5
}

// plan returns what to build. The image is pushed to the repositories.
func (a ImageArgs) plan(repositories []string) inputs.Plan {
	return inputs.Plan{
		Files:        a.files(),
		WatchAll:     deref(a.Watch) == WatchAll,
		Pull:         deref(a.Pull),
		Platforms:    sortUnique(normalizePlatforms(a.Platforms)), // their order is that of the index, and would be in its digest
		Target:       deref(a.Target),
		BuildArgs:    a.BuildArgs,
		Labels:       a.Labels,
		Annotations:  a.Annotations,
		TestTargets:  a.TestTargets,
		Network:      a.network(),
		Hosts:        a.hosts(),
		NoCache:      deref(a.NoCache),
		Epoch:        a.epoch(),
		Provenance:   a.provenance(),
		SBOM:         a.sbom(),
		ImageAttrs:   a.imageAttrs(),
		BaseDigests:  a.baseDigests(),
		Repositories: repositories,
	}
}

package provider

import (
	"errors"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

const (
	pullLimitText = "the registry limits how often images are pulled: log in to it (docker login, or registries), "

	// pullLimitRemedy is the remedy for a builder whose pulls a registry limits.
	pullLimitRemedy = pullLimitText + "or name a mirror of it, such as a pull-through cache of Amazon ECR: in " +
		"mirrors of the provider for its own BuildKit, in its own configuration for another builder"

	// mirrorLimitRemedy is the remedy for a mirror that limits how often it is asked.
	mirrorLimitRemedy = "the mirror limits how often it is asked: log in to it (docker login, or registries), or " +
		"have its administrator raise the limit"
)

// baseLimitRemedy returns the remedy for a registry that limits how often pull asks it. It names mirrors if one may
// help.
func baseLimitRemedy(mirrorMayHelp bool) string {
	if !mirrorMayHelp {
		return pullLimitText + "or write the digest in baseDigests"
	}
	return pullLimitText + "write the digest in baseDigests, or name a mirror of it, such as a pull-through cache of " +
		"Amazon ECR, in mirrors of the provider"
}

// explainMirror adds a remedy to the error of a mirror.
func explainMirror(err *registry.MirrorError) error {
	if errors.Is(err, fault.ErrRateLimited) {
		return &remediedError{error: err, remedy: mirrorLimitRemedy}
	}
	return explainRegistry(err)
}

// imageRemedies are the remedies for a base image that the builder could not pull.
var imageRemedies = map[buildkit.Fault]string{
	buildkit.NotFound:    "correct its name or its tag, or push it first",
	buildkit.RateLimited: pullLimitRemedy,
	buildkit.PlainHTTP: "the registry speaks plain http: serve it over https, or set insecure for it in registries; " +
		"a builder of your own needs http in its buildkitd.toml",
	buildkit.Untrusted: "give the builder the authority that signed the registry's certificate: caFile in registries " +
		"for the provider's own, ca in its buildkitd.toml for another",
	buildkit.Unreachable: "check the name of the base image, and that the builder reaches its registry",
	buildkit.Incomplete: "its registry does not serve all that belongs to it: push that image again, or take " +
		"another tag",
	buildkit.OldManifest: "it was pushed by a Docker older than 1.10, in a form that BuildKit does not read: copy " +
		"it, for example with skopeo copy --format v2s2, and name the copy",
	buildkit.BrokenServer: "the fault is in its registry: try again later",
	buildkit.Denied: "log in to the registry of the base image (docker login, or registries), or correct its " +
		"name",
}

// stepRemedies are the remedies for a failed step, and for other errors of the daemon.
var stepRemedies = map[buildkit.Fault]string{
	buildkit.NoSource: "COPY and ADD take files of the build context, without those that .dockerignore leaves out; " +
		"with --from, files of that stage or context. " + madeElsewhereRemedy,
	buildkit.NoKey: "give the agent or keys with this id in ssh (default, for a mount without one)",
	buildkit.NetworkRefused: "start the builder with --allow-insecure-entitlement network.host, or leave network at " +
		"its default",
	buildkit.Ungranted: "start the builder with --allow-insecure-entitlement and what allow names, name another " +
		"builder, or take it out of allow. The embedded BuildKit daemon grants only network.host",
	buildkit.SecurityInsecure: "a step of the Dockerfile asks for all privileges: take --security=insecure out of " +
		"its RUN or, if you trust it with the builder's machine, set allow: [security.insecure] in the program",
	buildkit.LostCache: "the builder has lost a part of its build cache: run it again; if that does not help, empty " +
		"the cache",
	buildkit.DamagedCache: "what the builder keeps is damaged: empty its cache",
	buildkit.NoGit: "the builder has no git, which fetches git repositories: install git where buildkitd runs and " +
		"start it again. Our BuildKit in a Docker Engine has none: name another builder",
	buildkit.NetworkHost: "a step of the Dockerfile asks for the network of the machine: take --network=host out of " +
		"its RUN or, if you trust it with everything that listens there, set allow: [network.host] in the program",
}

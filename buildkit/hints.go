package buildkit

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// hints are what to do about errors of which a daemon's text says only what is wrong.
var hints = []struct{ text, hint string }{
	{"no SSH key ", "give the agent or keys with this id in ssh (default, for a mount without one)"},
	{"granting entitlement network.host is not allowed", "start the builder with --allow-insecure-entitlement network.host, or leave network at its default"},
	{"network.host is not allowed", "a step of the Dockerfile asks for the network of the machine: take --network=host out of its RUN or, if you trust it " +
		"with everything that listens there, set network: host in the program"},
}

// pullHints are about base images. What a push needs, package registry knows better.
var pullHints = []struct{ text, hint string }{
	{"429 Too Many Requests", "the registry limits how often images are pulled: log in to it (docker login, or registries), or take the base image from a " +
		"mirror, such as a pull-through cache of Amazon ECR"},
	{"toomanyrequests: ", "the registry limits how often images are pulled: log in to it (docker login, or registries), or take the base image from a " +
		"mirror, such as a pull-through cache of Amazon ECR"},
	{"server gave HTTP response to HTTPS client", "the registry speaks plain http: serve it over https, or set insecure for it in registries; " +
		"a builder of your own needs http in its buildkitd.toml"},
	{"tls: failed to verify certificate", "give the builder the authority that signed the registry's certificate: caFile in registries for the " +
		"provider's own, ca in its buildkitd.toml for another"},
	{" does not answer: ", "check the name of the base image, and that the builder reaches its registry"},
	{"authorization failed", "log in to the registry of the base image (docker login, or registries), or correct its name"},
}

// unanswered is a request of the daemon's; its URL may be signed.
var unanswered = regexp.MustCompile(`failed to do request: \w+ "https?://([^/"]+)[^"]*": `)

// notThereHint is for what notThere found.
const notThereHint = "COPY and ADD take files of the build context, without those that .dockerignore leaves out; with --from, files of that stage or context"

// notThere is what a daemon says of a source of COPY or ADD, with names before it that only it knows.
var notThere = regexp.MustCompile(`(?:failed to compute cache key: )?failed to calculate checksum of ref \S+ ("[^"]*"): not found`)

func withHint(err error) error {
	if strings.Contains(err.Error(), "failed to push") {
		return err
	}
	step, is := errors.AsType[*StepError](err)
	if is && strings.HasSuffix(step.Reason, `" is not there`) {
		return fmt.Errorf("%w\n%s", err, notThereHint)
	}
	printed := is && step.ExitCode != 0 // it may say anything
	for _, h := range pullHints {
		if !printed && strings.Contains(err.Error(), h.text) {
			return fmt.Errorf("%w\n%s", err, h.hint)
		}
	}
	for _, h := range hints {
		if strings.Contains(err.Error(), h.text) {
			return fmt.Errorf("%w\n%s", err, h.hint)
		}
	}
	return err
}

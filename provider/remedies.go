package provider

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// explainBuild adds remedies to the error of a build. Each stands on its own line, because the error may show a
// Dockerfile.
func explainBuild(err error) error {
	if base, ok := errors.AsType[*buildkit.BaseImageError](err); ok {
		return withLines(err, imageRemedies[base.Fault])
	}
	if step, ok := errors.AsType[*buildkit.StepError](err); ok {
		return withLines(err, append(secretRemedies(step), stepRemedies[step.Fault], emulatorRemedy(step))...)
	}
	if wrong, ok := errors.AsType[*inputs.EncodingError](err); ok {
		return withLines(err, encodingRemedy(wrong))
	}
	if other, ok := errors.AsType[*buildkit.DaemonError](err); ok {
		return withLines(err, stepRemedies[other.Fault])
	}
	if remedy := connectionRemedy(err); remedy != "" {
		return fmt.Errorf("%w; %s", err, remedy)
	}
	if errors.As(err, new(*inputs.UnhashedError)) {
		return fmt.Errorf("%w. Set watch to all, so that the whole context is hashed and sent", err)
	}
	if limit, ok := errors.AsType[*buildkit.LimitError](err); ok {
		return fmt.Errorf("limits: %w. %s", err, limitRemedies[limit.Fault])
	}
	if errors.As(err, new(*buildkit.StalledSourceError)) {
		return fmt.Errorf("%w. Look at that server, or at the network between it and the builder, and try again", err)
	}
	return explainRegistry(explainDownload(explainLocal(err)))
}

// withLines returns err with each remedy that is not empty on its own line below it.
func withLines(err error, remedies ...string) error {
	for _, remedy := range remedies {
		if remedy != "" {
			err = fmt.Errorf("%w\n%s", err, remedy)
		}
	}
	return err
}

// secretRemedies returns a remedy for each secret that a failed step asked for and did not get.
func secretRemedies(step *buildkit.StepError) (remedies []string) {
	for _, id := range step.MissingSecrets {
		remedies = append(remedies, fmt.Sprintf("a step asks for the secret %q, which was not given: add it to "+
			"secrets, or correct its id in the Dockerfile", id))
	}
	return remedies
}

// emulatorRemedy names the package to install if a step failed because the machine cannot run its platform. Otherwise
// it returns "".
func emulatorRemedy(step *buildkit.StepError) string {
	if !strings.Contains(strings.Join(append(step.Output, step.Reason), "\n"), "exec format error") {
		return ""
	}
	pkg, missing := daemon.MissingEmulator(step.Step.Platform)
	if !missing {
		return ""
	}
	return fmt.Sprintf("%s cannot run on this machine: install %s (on Debian and Ubuntu: apt-get install %s), "+
		"or build for it on $BUILDPLATFORM", step.Step.Platform, pkg, pkg)
}

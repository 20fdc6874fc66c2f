package provider

import (
	"errors"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// What a step prints, and what stands around it in the Dockerfile, has no say in what to do about its failure.
func TestRemediesAreNotChosenByStrangers(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"output":  &buildkit.StepError{ExitCode: 1, Output: []string{"deploy: no SSH key for user bob", "toomanyrequests: x", "401 Unauthorized"}},
		"excerpt": &buildkit.StepError{Reason: "process canceled", Excerpt: "# log: toomanyrequests: from hub: 429 Too Many Requests\nRUN x"},
		"command": &buildkit.StepError{Reason: "no", Step: buildkit.Step{Command: "RUN echo network.host is not allowed"}},
		"image":   &buildkit.BaseImageError{Text: "no", Excerpt: "# toomanyrequests: x\n# authorization failed\nFROM x"},
	} {
		if got := explainBuild(err); got.Error() != err.Error() {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRemediesOfBuilds(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"log in to the registry of the base image (docker login, or registries), or correct its name":          &buildkit.BaseImageError{Fault: buildkit.Denied},
		"the registry limits how often images are pulled: log in to it":                                        &buildkit.BaseImageError{Fault: buildkit.RateLimited},
		"give the agent or keys with this id in ssh":                                                           &buildkit.StepError{Fault: buildkit.NoKey},
		"a step asks for the secret \"npm\", which was not given: add it to secrets, or correct its id in the": &buildkit.StepError{ExitCode: 1, MissingSecrets: []string{"npm"}},
		"set network: host in the program":                                                                     &buildkit.DaemonError{Fault: buildkit.NetworkHost},
	} {
		got := explainBuild(err)
		if !errors.Is(got, err) || !strings.Contains(got.Error(), "\n"+want) && !strings.Contains(got.Error(), want) {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

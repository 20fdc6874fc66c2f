package provider

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/shell"
)

// sessionRemedy says what to do about a session that ended before the build.
const sessionRemedy = "This machine may have been paused, or its connection to the builder was too slow for the " +
	"health checks of the daemon: run pulumi up again"

// explainLost adds to the error about a builder that was lost during a build where to look.
func explainLost(on builder, err error) error {
	lost, ok := errors.AsType[*buildkit.LostDaemonError](err)
	switch {
	case !ok:
		return err
	case lost.SessionEnded:
		return fmt.Errorf("%w. %s", err, sessionRemedy)
	case on.isEmbedded(): // explainNetwork knows why it ended
		return err
	}
	return fmt.Errorf("%w. %s", err, lostRemedy(on))
}

// lostRemedy says where to look after a builder was lost.
func lostRemedy(on builder) string {
	scheme, rest, _ := strings.Cut(on.endpoint, "://")
	name, _, _ := strings.Cut(rest, "?")
	switch {
	case scheme == "kube-pod":
		return "The pod may have been evicted or restarted: look at " + kubectlDescribe(on.endpoint, name)
	case on.container != nil:
		return "Its container may have been stopped, or memory ran out: look at the log of the Docker Engine"
	case strings.HasSuffix(scheme, "-container"):
		program := strings.TrimSuffix(scheme, "-container")
		return fmt.Sprintf("The container may have been stopped or paused, or memory ran out: look at %s ps -a and "+
			"%[1]s logs %s", program, shell.Quote(name))
	case on.engine != nil:
		return "The Docker Engine may have been restarted, or memory ran out: look at its log"
	}
	return "It may have been stopped, memory may have run out there, or the network failed: look at its log"
}

// kubectlDescribe returns the command that shows what became of a pod.
func kubectlDescribe(address, pod string) string {
	command := "kubectl"
	if u, err := url.Parse(address); err == nil {
		for _, option := range []string{"context", "namespace"} {
			if value := u.Query().Get(option); value != "" {
				command += " --" + option + "=" + shell.Quote(value)
			}
		}
	}
	return command + " describe pod " + shell.Quote(pod)
}

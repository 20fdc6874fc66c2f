package provider

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// agentRemedies are the remedies for SSH agents.
var agentRemedies = map[buildkit.AgentFault]string{
	buildkit.AgentMissing: "start one (ssh-agent), or give paths of keys",
	buildkit.AgentKeys:    "a key with a passphrase can be used through an agent (ssh-add)",
}

// explainLocal adds an input and a remedy to the error about something on this machine, or about an old builder. Any
// other error stays as it is.
func explainLocal(err error) error {
	if agent, ok := errors.AsType[*buildkit.AgentError](err); ok && agentRemedies[agent.Fault] != "" {
		return fmt.Errorf("%w; %s", err, agentRemedies[agent.Fault])
	}
	if errors.As(err, new(*engine.NoEngineError)) {
		return fmt.Errorf("%w; start one, set DOCKER_HOST, or leave load out", err)
	}
	if errors.As(err, new(*inputs.GitQueryError)) {
		return fmt.Errorf("%w. With pull, write it behind #", err)
	}
	if errors.As(err, new(*buildkit.OldDaemonError)) {
		return fmt.Errorf("%w; use a newer builder", err)
	}
	if errors.As(err, new(*buildkit.ExportError)) {
		return fmt.Errorf("exports: %w%s", err, spaceRemedy(err))
	}
	return err
}

// spaceRemedy returns the remedy for a disk of this machine that is full, as a sentence. It returns "" for any other
// failure.
func spaceRemedy(err error) string {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return ". Free space on the disk of that folder"
	}
	return ""
}

// cacheRemedy returns the remedy for a file that does not belong into a cache, and for a full disk, as a sentence. It
// returns "" for any other failure.
func cacheRemedy(cache *buildkit.CacheError) string {
	if errors.As(cache, new(*buildkit.CacheFileError)) {
		return ". Remove it"
	}
	return spaceRemedy(cache)
}

// warningText returns the text of a warning with the input that it is about and what to do.
func warningText(e buildkit.Event) string {
	if cache, ok := errors.AsType[*buildkit.CacheError](e.Warning); ok {
		return "cacheFrom: " + e.Text + cacheRemedy(cache)
	}
	if errors.As(e.Warning, new(*buildkit.DockerfileLoginError)) {
		return e.Text + ". Write the URL without it, and give the login as a secret, GIT_AUTH_TOKEN.<host> for git " +
			"or HTTP_AUTH_TOKEN_<host> for files"
	}
	if errors.As(e.Warning, new(*buildkit.PlainFilesError)) {
		return e.Text + ". Export tar to keep them"
	}
	if errors.As(e.Warning, new(*buildkit.IgnoredLimitsError)) {
		return "limits: " + e.Text + ". Leave out the # syntax= line, or name a newer version there"
	}
	return e.Text
}

// inputWarnings returns the texts of warnings about what a build reads, each with what to do.
func inputWarnings(warnings []inputs.Warning) []string {
	texts := make([]string, len(warnings))
	for i, w := range warnings {
		texts[i] = w.Text
		switch w.Kind {
		case inputs.NotSent:
			texts[i] += ". Add them to .dockerignore to be rid of this warning"
		case inputs.Uncertain:
			texts[i] += ". Name what it does not need in .dockerignore, as perhaps: " + w.Folders
		case inputs.MostlyUnread:
			texts[i] += ". Set watch to auto, or name in .dockerignore: " + w.Folders
		}
	}
	return texts
}

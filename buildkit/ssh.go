package buildkit

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/sshforward/sshprovider"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// SSHAgent is what steps may sign in with: RUN --mount=type=ssh,id=…. Keys never leave this machine: the daemon asks for signatures.
type SSHAgent struct {
	ID    string   // "default" is that of a mount without an id, and of git contexts
	Paths []string // of private keys, or of the socket of one agent; none: the agent of SSH_AUTH_SOCK
}

// sshAttachables forward the agents. The error names the id and what is wrong with it, before the build starts.
func sshAttachables(agents []SSHAgent) ([]session.Attachable, error) {
	if len(agents) == 0 {
		return nil, nil
	}
	var configs []sshprovider.AgentConfig
	for _, a := range agents {
		config := sshprovider.AgentConfig{ID: a.ID, Paths: slices.Clone(a.Paths)}
		if err := a.check(config); err != nil {
			return nil, fmt.Errorf("ssh %q: %w", a.ID, err)
		}
		configs = append(configs, config)
	}
	provider, err := sshprovider.NewSSHAgentProvider(configs)
	return []session.Attachable{provider}, err
}

// keyLimit is the most bytes that sshprovider reads of a key.
const keyLimit = 100 << 10

// checkKey wants a socket or a private key: BuildKit opens whatever is there and would wait for the writer of a FIFO.
func checkKey(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Mode()&os.ModeSocket != 0 {
		return err
	}
	return file.Check(path, keyLimit)
}

func (a SSHAgent) check(config sshprovider.AgentConfig) error {
	for _, path := range a.Paths {
		if err := checkKey(path); err != nil {
			return err
		}
	}
	_, err := sshprovider.NewSSHAgentProvider([]sshprovider.AgentConfig{config})
	switch {
	case err == nil:
		return nil
	case len(a.Paths) == 0:
		return fmt.Errorf("there is no agent at SSH_AUTH_SOCK (%q): start one (ssh-agent), or give paths of keys", os.Getenv("SSH_AUTH_SOCK"))
	}
	for cause := errors.Unwrap(err); cause != nil; cause = errors.Unwrap(cause) {
		err = cause
	}
	return fmt.Errorf("%q: %w; a key with a passphrase can be used through an agent (ssh-add)", a.Paths, err)
}

package buildkit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/sshforward/sshprovider"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// SSHAgent is what steps may sign in with: RUN --mount=type=ssh,id=…. Keys never leave this machine: the daemon asks for signatures.
type SSHAgent struct {
	ID    string   // "default" is that of a mount without an id, and of git contexts
	Paths []string // of private keys, or of the socket of one agent; none: the agent of SSH_AUTH_SOCK
}

// AgentError says that an SSHAgent cannot be used. It wraps a *file.LinkError where a link leads a path of it out of the project,
// or to a socket.
type AgentError struct {
	ID  string
	err error
}

func (e *AgentError) Error() string { return fmt.Sprintf("ssh %q: %v", e.ID, e.err) }

// Unwrap is the cause.
func (e *AgentError) Unwrap() error { return e.err }

// sshAttachables forward the agents. What is wrong with one is an *AgentError, before the build starts. Links in the bounds have to
// stay there.
func sshAttachables(bounds file.Bounds, agents []SSHAgent) ([]session.Attachable, error) {
	if len(agents) == 0 {
		return nil, nil
	}
	var configs []sshprovider.AgentConfig
	for _, a := range agents {
		opened, err := openKeys(bounds, a.Paths)
		defer opened.close() // when the provider has read them
		config := sshprovider.AgentConfig{ID: a.ID, Paths: opened.paths}
		if err == nil {
			err = a.check(config)
		}
		if err != nil {
			return nil, &AgentError{ID: a.ID, err: err}
		}
		configs = append(configs, config)
	}
	provider, err := sshprovider.NewSSHAgentProvider(configs)
	return []session.Attachable{provider}, err
}

// keyLimit is the most bytes that sshprovider reads of a key.
const keyLimit = 100 << 10

// keys are open private keys, or a socket, under the paths by which sshprovider is to open them.
type keys struct {
	files []*os.File
	paths []string
}

func (k *keys) close() {
	for _, f := range k.files {
		_ = f.Close()
	}
}

// openKeys wants sockets and private keys: BuildKit opens whatever is there and would wait for the writer of a FIFO.
func openKeys(bounds file.Bounds, paths []string) (*keys, error) {
	k := &keys{}
	for _, path := range paths {
		if err := k.add(bounds, path); err != nil {
			return k, err
		}
	}
	return k, nil
}

func (k *keys) add(bounds file.Bounds, path string) error {
	if isPipe(path) {
		k.paths = append(k.paths, path)
		return nil
	}
	place, err := bounds.FindSocket(path)
	if err != nil {
		return err
	}
	if place != "" {
		k.paths = append(k.paths, place)
		return nil
	}
	f, err := bounds.OpenNamed(path)
	if err != nil {
		return err
	}
	k.files, k.paths = append(k.files, f.File), append(k.paths, openPath(f))
	info, err := f.Stat()
	if err == nil && info.Size() > keyLimit {
		err = &fs.PathError{Op: "read", Path: path, Err: &file.TooLargeError{Limit: keyLimit}}
	}
	return err
}

// isPipe tells whether a path is that of a named pipe of Windows, by which its agents are reached. It is in no folder.
func isPipe(path string) bool {
	path = filepath.ToSlash(path)
	steps := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	return runtime.GOOS == "windows" && strings.HasPrefix(path, "//") && len(steps) > 2 && steps[1] == "pipe"
}

// openPath is a path that leads to an open file, whatever becomes of its name; without /proc it is the name.
func openPath(f *file.Found) string {
	path := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	opened, err := f.Stat()
	if err != nil {
		return f.Place
	}
	if info, err := os.Stat(path); err == nil && os.SameFile(info, opened) {
		return path
	}
	return f.Place
}

func (a SSHAgent) check(config sshprovider.AgentConfig) error {
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

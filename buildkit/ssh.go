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

// SSHAgent has the keys by which steps log in: RUN --mount=type=ssh,id=…. Keys never leave this machine, because the
// daemon asks for signatures only.
type SSHAgent struct {
	ID    string   // "default" is that of a mount without an id, and of git contexts
	Paths []string // of private keys, or of the socket of one agent; none: the agent of SSH_AUTH_SOCK
}

// AgentFault is what is wrong with an SSHAgent.
type AgentFault int

// The faults of SSH agents.
const (
	AgentUnreadable AgentFault = iota // a path cannot be opened
	AgentMissing                      // there are no paths, and no agent answers at SSH_AUTH_SOCK
	AgentKeys                         // the files at the paths are no keys that can be used
)

// AgentError is an SSHAgent that cannot be used. It wraps a *file.LinkError if a link leads from a path of it out of
// the project or to a socket.
type AgentError struct {
	ID    string
	Fault AgentFault
	Err   error
}

// Error names the agent and the cause.
func (e *AgentError) Error() string { return fmt.Sprintf("ssh %q: %v", e.ID, e.Err) }

// Unwrap returns the cause.
func (e *AgentError) Unwrap() error { return e.Err }

// sshAttachables returns the part of the session that forwards the agents. Links in the bounds have to stay there. It
// returns an *AgentError for an agent that cannot be used.
func sshAttachables(bounds file.Bounds, agents []SSHAgent) ([]session.Attachable, error) {
	if len(agents) == 0 {
		return nil, nil
	}
	var configs []sshprovider.AgentConfig
	for _, a := range agents {
		opened, err := openKeys(bounds, a.Paths)
		defer opened.close() // when the provider has read them
		if err != nil {
			return nil, &AgentError{ID: a.ID, Fault: AgentUnreadable, Err: err}
		}
		config := sshprovider.AgentConfig{ID: a.ID, Paths: opened.paths}
		if err := a.check(config); err != nil {
			return nil, err
		}
		configs = append(configs, config)
	}
	provider, err := sshprovider.NewSSHAgentProvider(configs)
	return []session.Attachable{provider}, err
}

// keyLimit is the most bytes that sshprovider reads of a key.
const keyLimit = 100 << 10

// keys are open private keys, or a socket, with the paths at which sshprovider opens them.
type keys struct {
	files []*os.File
	paths []string
}

func (k *keys) close() {
	for _, f := range k.files {
		_ = f.Close()
	}
}

// openKeys opens the files at the paths. It returns an error for anything but sockets and regular files. BuildKit
// itself opens whatever is there, and would wait for the writer of a FIFO.
func openKeys(bounds file.Bounds, paths []string) (*keys, error) {
	k := &keys{}
	for _, path := range paths {
		if err := k.add(bounds, path); err != nil {
			return k, err
		}
	}
	return k, nil
}

// add opens the file at one path.
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

// isPipe reports whether a path is that of a named pipe of Windows, where agents listen. Such a path is in no folder.
func isPipe(path string) bool {
	path = filepath.ToSlash(path)
	steps := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	return runtime.GOOS == "windows" && strings.HasPrefix(path, "//") && len(steps) > 2 && steps[1] == "pipe"
}

// openPath returns a path to an open file that stays valid if the file is renamed. Without /proc it returns the name.
func openPath(f *file.Found) string {
	path := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	opened, err := f.Stat()
	if err != nil {
		return f.Path
	}
	if info, err := os.Stat(path); err == nil && os.SameFile(info, opened) {
		return path
	}
	return f.Path
}

// check returns an *AgentError unless BuildKit can use the agent.
func (a SSHAgent) check(config sshprovider.AgentConfig) error {
	_, err := sshprovider.NewSSHAgentProvider([]sshprovider.AgentConfig{config})
	switch {
	case err == nil:
		return nil
	case len(a.Paths) == 0:
		err = fmt.Errorf("there is no agent at SSH_AUTH_SOCK (%q)", os.Getenv("SSH_AUTH_SOCK"))
		return &AgentError{ID: a.ID, Fault: AgentMissing, Err: err}
	}
	for cause := errors.Unwrap(err); cause != nil; cause = errors.Unwrap(cause) {
		err = cause
	}
	return &AgentError{ID: a.ID, Fault: AgentKeys, Err: fmt.Errorf("%q: %w", a.Paths, err)}
}

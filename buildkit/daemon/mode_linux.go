package daemon

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// mode says whose privileges a daemon has. The client passes it on: the keeper cannot tell, because it is root in the
// user namespace of a rootless daemon.
type mode string

const (
	rootful  mode = "rootful"  // the privileges of root
	rootless mode = "rootless" // the privileges of an ordinary user, who is root in a user namespace
)

// clientMode returns the mode of the daemon that this process starts.
func clientMode() mode {
	if os.Geteuid() == 0 {
		return rootful
	}
	return rootless
}

// Rootless reports whether the daemon of this user runs in a user namespace, because the user is not root.
func Rootless() bool { return clientMode() == rootless }

func parseMode(text string) (mode, error) {
	switch m := mode(text); m {
	case rootful, rootless:
		return m, nil
	}
	return "", fmt.Errorf("%q is not a mode of a daemon", text)
}

// namespaceArguments returns the command line of rootlesskit without the command that it runs. temp is the folder for
// its own files.
//
// The daemon stays in the network of the machine, so that it reaches a registry on loopback. It needs folders in /run
// and /var/lib, where an ordinary user has no permission to make them. So rootlesskit replaces /run and /var/lib by
// folders with links to the entries of the machine.
func namespaceArguments(rootlesskit, temp string) []string {
	return []string{rootlesskit, "--net=host", "--copy-up=/run", "--copy-up=/var/lib", "--state-dir=" + temp}
}

// passLock returns environ with the variables that make rootlesskit pass on file descriptor 3, the alive lock. These
// variables are meant for the sockets of a service, but rootlesskit passes on any kind of file.
func passLock(environ []string) []string {
	const files = 1 // the number of file descriptors, from 3 on
	return append(environ, "LISTEN_FDS="+strconv.Itoa(files), "LISTEN_PID="+strconv.Itoa(os.Getpid()))
}

// runtimeVariable is the environment variable with the folder in which runc keeps its list of containers, in a user
// namespace.
const runtimeVariable = "XDG_RUNTIME_DIR"

// runtimeFolder is runcMount without the part that runc adds.
var runtimeFolder = strings.TrimSuffix(runcMount, "/runc")

package daemon

import (
	"context"
	"errors"
	"path/filepath"
	"time"
	"unicode/utf8"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/network"
)

// setup says which daemon runs where. The client that looks for a daemon, the keeper and the init all know it.
type setup struct {
	daemonFolder
	idle      time.Duration
	buildkitd string
	runc      string
	network   string // the program that is the CNI plugin and the relay
}

// newSetup returns the setup of the daemon that a client would start in the folder. It returns an *Error when a program
// is missing.
func newSetup(f daemonFolder, idle time.Duration) (setup, error) {
	buildkitd, err := findBinary("buildkitd")
	if err != nil {
		return setup{}, err
	}
	runc, err := findBinary("runc")
	if err != nil {
		return setup{}, err
	}
	steps, err := findBinary(network.Program)
	return setup{daemonFolder: f, idle: idle, buildkitd: buildkitd, runc: runc, network: steps}, err
}

// arguments returns the command line of a process with the role. parseSetup reads it.
func (s setup) arguments(role string) []string {
	return []string{role, s.Path(), s.idle.String(), s.buildkitd, s.runc, s.network}
}

// parseSetup returns the setup that the client passed on as arguments.
func parseSetup(args []string) (setup, error) {
	if len(args) != 6 {
		return setup{}, errors.New("this is a part of the plugin, which starts it itself")
	}
	idle, err := time.ParseDuration(args[2])
	if err != nil {
		return setup{}, err
	}
	f, err := openFolder(context.Background(), args[1])
	return setup{daemonFolder: f, idle: idle, buildkitd: args[3], runc: args[4], network: args[5]}, err
}

// programs returns the paths of the programs that a daemon consists of, without this program, which starts it. Two
// daemons of other programs are not the same.
func (s setup) programs() []string {
	return []string{s.buildkitd, s.runc, s.network}
}

// runcPath returns the path of runc in the configuration, which is UTF-8: that of a link where its own is not.
func (s setup) runcPath() string {
	if utf8.ValidString(s.runc) {
		return s.runc
	}
	return inDaemon(filepath.Join(pluginFolder, "runc"))
}

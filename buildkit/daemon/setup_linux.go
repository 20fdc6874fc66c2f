package daemon

import (
	"context"
	"errors"
	"path/filepath"
	"time"
	"unicode/utf8"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/network"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// setup says which daemon runs where. The client that looks for a daemon, the keeper and the init all know it.
type setup struct {
	daemonFolder
	mode        mode
	idle        time.Duration
	buildkitd   string
	runc        string
	network     string // the program that is the CNI plugin and the relay
	rootlesskit string // "" for a rootful daemon
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
	if err != nil {
		return setup{}, err
	}
	s := setup{daemonFolder: f, mode: clientMode(), idle: idle, buildkitd: buildkitd, runc: runc, network: steps}
	if s.mode == rootless {
		s.rootlesskit, err = findBinary("rootlesskit")
	}
	return s, err
}

// arguments returns the command line of a process with the role. parseSetup reads it.
func (s setup) arguments(role string) []string {
	return []string{
		role, s.Path(), s.idle.String(), string(s.mode), s.buildkitd, s.runc, s.network, s.rootlesskit,
	}
}

// parseSetup returns the setup that the client passed on as arguments.
func parseSetup(args []string) (setup, error) {
	if len(args) != 8 {
		return setup{}, errors.New("this is a part of the plugin, which starts it itself")
	}
	idle, err := time.ParseDuration(args[2])
	if err != nil {
		return setup{}, err
	}
	m, err := parseMode(args[3])
	if err != nil {
		return setup{}, err
	}
	f, err := openPassed(context.Background(), args[1], m)
	return setup{
		daemonFolder: f, mode: m, idle: idle, buildkitd: args[4], runc: args[5], network: args[6], rootlesskit: args[7],
	}, err
}

// openPassed opens the folder that the client passed on.
//
// In a user namespace every other user of the machine looks the same, root too. So there the client has checked the
// parents of the folder, and receiveLock checks that it is still the same one.
func openPassed(ctx context.Context, dir string, m mode) (daemonFolder, error) {
	if m == rootful {
		return openFolder(ctx, dir)
	}
	folder, err := private.OpenUnchecked(dir)
	if err != nil {
		return daemonFolder{}, folderError(dir, err)
	}
	return claimOrClose(ctx, daemonFolder{folder})
}

// programs returns the paths of the programs that a daemon consists of, without this program, which starts it. Two
// daemons of other programs are not the same.
func (s setup) programs() []string {
	if s.mode == rootless {
		return []string{s.buildkitd, s.runc, s.network, s.rootlesskit}
	}
	return []string{s.buildkitd, s.runc, s.network}
}

// runcPath returns the path of runc in the configuration, which is UTF-8: that of a link where its own is not.
func (s setup) runcPath() string {
	if utf8.ValidString(s.runc) {
		return s.runc
	}
	return inDaemon(filepath.Join(pluginFolder, "runc"))
}

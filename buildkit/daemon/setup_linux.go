package daemon

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/network"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// setup says which daemon runs where. The client passes it on to the keeper, and the keeper to the init.
type setup struct {
	daemonFolder
	mode        mode
	idle        time.Duration
	size        int64 // how many bytes of build cache it keeps; 0: the default
	buildkitd   string
	runc        string
	network     string // the program that is the CNI plugin and the relay
	rootlesskit string // "" for a rootful daemon
}

// newSetup returns the setup of the daemon that this client would start in the folder. It returns an *Error if a
// program is missing.
func newSetup(f daemonFolder, o Options) (setup, error) {
	buildkitd, err := findBinary("buildkitd")
	if err != nil {
		return setup{}, err
	}
	runc, err := findBinary("runc")
	if err != nil {
		return setup{}, err
	}
	program, err := findBinary(network.Program)
	if err != nil {
		return setup{}, err
	}
	s := setup{
		daemonFolder: f, mode: clientMode(), idle: o.Idle, size: o.Size,
		buildkitd: buildkitd, runc: runc, network: program,
	}
	if s.mode == rootless {
		s.rootlesskit, err = findBinary("rootlesskit")
	}
	return s, err
}

// arguments returns the arguments for a process with this role. parseSetup reads them.
func (s setup) arguments(role string) []string {
	return []string{
		role, s.Path(), s.idle.String(), string(s.mode), s.buildkitd, s.runc, s.network, s.rootlesskit,
		strconv.FormatInt(s.size, 10),
	}
}

// parseSetup returns the setup that the client passed on as arguments.
func parseSetup(args []string) (setup, error) {
	if len(args) != 9 {
		return setup{}, errors.New("only the plugin starts this process")
	}
	idle, err := time.ParseDuration(args[2])
	if err != nil {
		return setup{}, err
	}
	m, err := parseMode(args[3])
	if err != nil {
		return setup{}, err
	}
	size, err := strconv.ParseInt(args[8], 10, 64)
	if err != nil {
		return setup{}, err
	}
	f, err := openPassed(context.Background(), args[1], m)
	return setup{
		daemonFolder: f, mode: m, idle: idle, size: size,
		buildkitd: args[4], runc: args[5], network: args[6], rootlesskit: args[7],
	}, err
}

// openPassed opens the folder that the client passed on.
//
// In a user namespace all other users of the machine look the same, also root. So the keeper cannot check the parents
// of the folder there. The client has checked them, and receiveLock checks that the folder is still the same.
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

// programs returns the paths of the programs that make up a daemon. This program is not one of them, although it starts
// the daemon.
func (s setup) programs() []string {
	if s.mode == rootless {
		return []string{s.buildkitd, s.runc, s.network, s.rootlesskit}
	}
	return []string{s.buildkitd, s.runc, s.network}
}

// runcPath returns the path of runc for the configuration, which must be UTF-8. If the path of runc is not, it returns
// that of a link to it.
func (s setup) runcPath() string {
	if utf8.ValidString(s.runc) {
		return s.runc
	}
	return inDaemon(filepath.Join(pluginFolder, "runc"))
}

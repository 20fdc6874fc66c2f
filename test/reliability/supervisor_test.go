//go:build linux

package reliability

import (
	"context"
	"errors"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/faults"
)

// supervisor counts the file operations of a plugin, and makes one of them fail.
type supervisor struct {
	*faults.Files
	lease *daemon.Lease // what a plugin starts is supervised too, so it shall not start the daemon
}

// newSupervisor supervises the plugin in the folder programs. It starts the daemon in folder.
func newSupervisor(ctx context.Context, programs, folder string) (*supervisor, error) {
	files, err := faults.NewFiles(programs)
	if err != nil {
		return nil, err
	}
	lease, err := daemon.Acquire(context.WithoutCancel(ctx), daemon.Options{Dir: folder, Idle: daemonIdle})
	if err != nil {
		return nil, errors.Join(err, files.Close())
	}
	return &supervisor{Files: files, lease: lease}, nil
}

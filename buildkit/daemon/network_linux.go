package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/network"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// relay is the process that dials for steps. The zero value is that of a machine whose steps have no network.
type relay struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended
	end   context.CancelCauseFunc
}

// stop ends the process. It may have ended already.
func (r *relay) stop() {
	if r.cmd != nil {
		r.end(errors.New("the daemon has ended"))
		<-r.ended
	}
}

// stepNetwork gives the steps of a daemon their networks.
type stepNetwork struct {
	setup
	log *slog.Logger
}

// start makes what the daemon needs and starts the relay. Without a usable TUN device it writes the reason for clients
// into the offline file; steps then have their own loopback only.
func (n stepNetwork) start() (*relay, error) {
	if err := n.linkPlugin(); err != nil {
		return nil, err
	}
	device, err := n.findDevice()
	if err != nil {
		note("steps have no network: %v", err)
		n.log.Debug("steps have no network", "reason", err)
		return &relay{}, errors.Join(
			n.writeConfig(network.NewConfig("", "", nil)),
			n.Write(offlineFile, []byte(err.Error())),
		)
	}
	subnets, err := network.ChooseSubnets()
	if err == nil {
		err = errors.Join(
			n.Remove(offlineFile),
			n.writeConfig(network.NewConfig(device, inDaemon(relaySocket), subnets)),
		)
	}
	if err != nil {
		return nil, err
	}
	n.log.Debug("network of steps made", "device", device, "subnets", subnets)
	return n.startRelay(subnets)
}

// linkPlugin makes the folder in which BuildKit finds the plugin, under both of its names.
func (n stepNetwork) linkPlugin() error {
	if err := errors.Join(n.RemoveAll(pluginFolder), n.Mkdir(pluginFolder)); err != nil {
		return err
	}
	folder, err := n.Sub(pluginFolder)
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	return errors.Join(
		folder.Symlink(n.network, network.Program), folder.Symlink(n.network, "loopback"),
		folder.Symlink(n.runc, "runc"), // see runcPath
	)
}

func (n stepNetwork) writeConfig(config network.Config) error {
	text, err := config.Text()
	if err != nil {
		return err
	}
	return n.Write(networkConfig, text)
}

// findDevice returns the path, for the daemon, of a TUN device that works: the machine's, or one in a file system that
// only the keeper and the daemon see. A container may have no device, and yet may use one.
func (n stepNetwork) findDevice() (string, error) {
	failed := network.TryDevice(network.DefaultDevice)
	if failed == nil {
		return network.DefaultDevice, nil
	}
	device := filepath.Join(deviceFolder, "tun")
	if n.makeDevice("tun") != nil || network.TryDevice(n.path(device)) != nil {
		return "", failed
	}
	return inDaemon(device), nil
}

// makeDevice makes the TUN device name in the device folder.
func (n stepNetwork) makeDevice(name string) error {
	if err := n.Mkdir(deviceFolder); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	folder, err := n.Sub(deviceFolder)
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	open, path, err := folder.Handle()
	if err != nil {
		return err
	}
	defer func() { _ = open.Close() }()
	// Not in the machine's own /dev, and not where devices may have been switched off.
	if err := unix.Mount("tmpfs", path, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=700,size=64k"); err != nil {
		return err
	}
	const major, minor = 10, 200
	return unix.Mknod(filepath.Join(n.path(deviceFolder), name), unix.S_IFCHR|0o600, int(unix.Mkdev(major, minor)))
}

// listen opens the relay's socket, by a path of which the length does not matter.
func (n stepNetwork) listen() (*net.UnixListener, error) {
	folder, path, err := n.Handle()
	if err != nil {
		return nil, err
	}
	defer func() { _ = folder.Close() }()
	return network.Listen(filepath.Join(path, relaySocket))
}

// startRelay starts the process with the socket that it serves. The process has nothing of the client's environment,
// and gives up its privileges itself. It ends when the pipe to it closes, so it does not outlive the keeper.
func (n stepNetwork) startRelay(subnets []netip.Prefix) (*relay, error) {
	listener, err := n.listen()
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	defer func() { _ = listener.Close() }()
	socket, err := listener.File()
	if err != nil {
		return nil, err
	}
	defer func() { _ = socket.Close() }()
	log, err := n.Create(relayLog)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	ctx, end := context.WithCancelCause(context.Background())
	arguments := []string{network.RelayRole, n.Path()}
	for _, subnet := range subnets {
		arguments = append(arguments, subnet.String())
	}
	r := &relay{cmd: exec.CommandContext(ctx, n.network, arguments...), ended: make(chan struct{}), end: end}
	r.cmd.Dir, r.cmd.Env = "/", []string{}
	r.cmd.Stdout, r.cmd.Stderr, r.cmd.ExtraFiles = log, log, []*os.File{socket}
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWIPC}
	if _, err := r.cmd.StdinPipe(); err != nil { // held open until Wait
		end(err)
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		end(err)
		return nil, err
	}
	rescue.Go(end, func() {
		defer close(r.ended)
		_ = r.cmd.Wait()
	})
	return r, nil
}

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

// relay is the process that dials for steps. In the zero value there is no process, because steps have no network.
type relay struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has exited
	cancel context.CancelCauseFunc
}

// stop kills the process, if it still runs.
func (r *relay) stop() {
	if r.cmd != nil {
		r.cancel(errors.New("the daemon has stopped"))
		<-r.exited
	}
}

// stepNetwork gives the steps of a daemon their networks.
type stepNetwork struct {
	setup
	log *slog.Logger
}

// start makes what the daemon needs for the networks, and starts the relay. If there is no usable TUN device, it writes
// the reason into a file for clients. Steps then have their own loopback only.
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

// linkPlugin makes the folder in which BuildKit finds the CNI plugin under the two names that it looks for.
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

// findDevice returns the path, as the daemon sees it, of a TUN device that works: the machine's, or one that it makes.
// Some containers have no such device, and yet have permission to use one.
func (n stepNetwork) findDevice() (string, error) {
	err := network.TryDevice(network.DefaultDevice)
	if err == nil {
		return network.DefaultDevice, nil
	}
	device := filepath.Join(deviceFolder, "tun")
	if n.makeDevice("tun") != nil || network.TryDevice(n.path(device)) != nil {
		return "", err
	}
	return inDaemon(device), nil
}

// makeDevice makes a TUN device with this name in the device folder. Only the keeper and the daemon see it.
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
	// A file system of its own, because the machine's may be mounted nodev, and nothing is added to the machine's /dev.
	if err := unix.Mount("tmpfs", path, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=700,size=64k"); err != nil {
		return err
	}
	const major, minor = 10, 200
	return unix.Mknod(filepath.Join(n.path(deviceFolder), name), unix.S_IFCHR|0o600, int(unix.Mkdev(major, minor)))
}

// listen opens the relay's socket by a short path, because a socket's path must not be long.
func (n stepNetwork) listen() (*net.UnixListener, error) {
	folder, path, err := n.Handle()
	if err != nil {
		return nil, err
	}
	defer func() { _ = folder.Close() }()
	return network.Listen(filepath.Join(path, relaySocket))
}

// startRelay starts the relay and passes it the socket that it serves. The process gets no environment, and gives up
// its privileges itself. It exits when the pipe to its stdin closes, so it does not outlive the keeper.
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
	ctx, cancel := context.WithCancelCause(context.Background())
	arguments := []string{network.RelayRole, n.Path()}
	for _, subnet := range subnets {
		arguments = append(arguments, subnet.String())
	}
	r := &relay{cmd: exec.CommandContext(ctx, n.network, arguments...), exited: make(chan struct{}), cancel: cancel}
	r.cmd.Dir, r.cmd.Env = "/", []string{}
	r.cmd.Stdout, r.cmd.Stderr, r.cmd.ExtraFiles = log, log, []*os.File{socket}
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWIPC}
	if _, err := r.cmd.StdinPipe(); err != nil { // held open until Wait
		cancel(err)
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		cancel(err)
		return nil, err
	}
	rescue.Go(cancel, func() {
		defer close(r.exited)
		_ = r.cmd.Wait()
	})
	return r, nil
}

package relay

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/network"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// listenerFD is the socket that the keeper opened.
const listenerFD = 3

// Run runs the relay process and returns its exit code. Its arguments are the daemon's folder, which people see in a
// list of processes, and the subnets of steps. Its file descriptor 3 is the socket for the plugin. It ends when its
// standard input does: a pipe from the keeper.
func Run(args []string) int {
	if err := run(args); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("this is a part of the plugin, which starts it itself")
	}
	subnets, err := parseSubnets(args[1:])
	if err != nil {
		return err
	}
	listener, err := inheritedListener()
	if err != nil {
		return err
	}
	if err := errors.Join(limit(), dropPrivileges()); err != nil {
		return err
	}
	ended := make(chan error, 1)
	fail := func(err error) { ended <- err }
	rescue.Go(fail, func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		ended <- err
	})
	rescue.Go(fail, func() { ended <- newRelay(subnets).serve(listener) })
	return <-ended
}

func parseSubnets(args []string) ([]netip.Prefix, error) {
	subnets := make([]netip.Prefix, 0, len(args))
	for _, arg := range args {
		subnet, err := netip.ParsePrefix(arg)
		if err != nil {
			return nil, err
		}
		subnets = append(subnets, subnet)
	}
	return subnets, nil
}

func inheritedListener() (*net.UnixListener, error) {
	file := os.NewFile(listenerFD, "socket")
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("file descriptor %d is to be the relay's socket: %w", listenerFD, err)
	}
	unixListener, ok := listener.(*net.UnixListener)
	if !ok {
		return nil, fmt.Errorf("file descriptor %d is a socket of another kind: %T", listenerFD, listener)
	}
	unixListener.SetUnlinkOnClose(false) // the keeper's to remove
	return unixListener, file.Close()
}

// serve answers the plugin until the socket fails.
func (r *relay) serve(listener *net.UnixListener) error {
	for {
		conn, err := listener.AcceptUnix()
		if err != nil {
			return err
		}
		rescue.Go(report, func() {
			defer func() { _ = conn.Close() }()
			if err := network.Handle(conn, r); err != nil {
				report(err)
			}
		})
	}
}

// report writes what went wrong for one step into the relay's log.
func report(err error) { _, _ = fmt.Fprintln(os.Stderr, err) }

package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// claimPoll is how often claimAddress tries.
const claimPoll = 200 * time.Millisecond

var errClaimed = errors.New("a tunnel to another machine is open")

// claim is the right to listen at an address, for tunnels to one machine. Processes of several builds share it. It ends
// with the process.
type claim struct{ *os.File }

// claimAddress claims an address in a folder that all tunnels of a network share. occupied is true if something else
// answers at the address: then there is no claim. It returns errClaimed if a tunnel to another machine is open for a
// minute.
//
// A file for each address holds the machine that its tunnels lead to. Each tunnel has a shared lock on it. Only the
// owner of an exclusive lock writes the file.
func claimAddress(ctx context.Context, folder string, addr netip.AddrPort, machine string) (
	c claim, occupied bool, err error,
) {
	ctx, stop := context.WithTimeoutCause(ctx, ClaimLimit, errClaimed)
	defer stop()
	path := filepath.Join(folder, "tunnel-"+addr.String())
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return claim{}, false, &os.PathError{Op: "open", Path: path, Err: err}
	}
	c = claim{os.NewFile(uintptr(fd), path)}
	tick := time.NewTicker(claimPoll)
	defer tick.Stop()
	for {
		shared, occupied, err := c.try(ctx, addr, machine)
		if shared {
			return c, false, nil
		}
		if occupied || err != nil {
			return claim{}, occupied, errors.Join(err, c.Close())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return claim{}, false, errors.Join(context.Cause(ctx), c.Close())
		}
	}
}

// try locks the file if nobody else has it, or if it names this machine.
func (c claim) try(ctx context.Context, addr netip.AddrPort, machine string) (shared, occupied bool, err error) {
	fd := int(c.Fd())
	switch err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); {
	case err == nil:
		if answers(ctx, addr) {
			return false, true, nil
		}
		if err := c.write(machine); err != nil {
			return false, false, err
		}
	case !errors.Is(err, unix.EWOULDBLOCK):
		return false, false, err
	}
	// A lock that becomes a shared one is free for a moment, so the file may have another content afterwards.
	err = unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	found, err := io.ReadAll(io.NewSectionReader(c, 0, machineLimit))
	if err == nil && string(found) == machine {
		return true, false, nil
	}
	return false, false, errors.Join(err, unix.Flock(fd, unix.LOCK_UN))
}

func (c claim) write(machine string) error {
	err := c.Truncate(0)
	if err == nil {
		_, err = c.WriteAt([]byte(machine), 0)
	}
	return err
}

// answers reports whether something listens at an address here.
func answers(ctx context.Context, addr netip.AddrPort) bool {
	conn, err := (&net.Dialer{Timeout: dialLimit}).DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// parseRequest returns the address of a request. It returns an error for an address that is not on the loopback.
func parseRequest(r Request) (netip.AddrPort, error) {
	addr, err := netip.ParseAddrPort(r.Address)
	if err != nil {
		return addr, err
	}
	if !addr.Addr().IsLoopback() || addr.Addr().Zone() != "" || addr.Port() == 0 {
		return addr, fmt.Errorf("%s is not a port of the loopback", addr)
	}
	if r.Machine == "" || len(r.Machine) > machineLimit || strings.ContainsRune(r.Machine, '\n') {
		return addr, errors.New("the request names no machine")
	}
	return addr, nil
}

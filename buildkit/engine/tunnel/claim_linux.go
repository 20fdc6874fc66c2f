package tunnel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// claimPoll is how often claimAddress tries.
const claimPoll = 200 * time.Millisecond

// proofsLimit bounds the file of a claim. A claim that would make it larger waits until all others end.
const proofsLimit = 64 << 10

var (
	errClaimed  = errors.New("a tunnel to another machine is open")
	errOccupied = errors.New("something of this network answers there")
)

// claim is the right to listen at an address, for tunnels to one machine. Processes of several builds share it. It ends
// with the process.
//
// A file for each address holds the proofs of its claims, one a line. Each claim has a shared lock on it. The owner of
// an exclusive lock starts the file anew. The owner of a shared lock appends to it, if it is on the same machine as one
// of the others.
type claim struct {
	*os.File
	addr     netip.AddrPort
	proof    Proof
	ask      func([]Proof) (Verdict, error)
	occupied int // how often in a row something else answered at the address
}

// claimAddress claims an address in a folder that all tunnels of a network share. ask tells whether one of several
// proofs is of the machine of the new tunnel. claimAddress returns errClaimed if a tunnel to another machine stays open
// for ClaimLimit, or as long as ask waits. It returns errOccupied if something else answers at the address.
func claimAddress(
	ctx context.Context, folder string, addr netip.AddrPort, proof Proof, ask func([]Proof) (Verdict, error),
) (*claim, error) {
	ctx, stop := context.WithTimeoutCause(ctx, ClaimLimit, errClaimed)
	defer stop()
	path := filepath.Join(folder, "tunnel-"+addr.String())
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_APPEND|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	c := &claim{File: os.NewFile(uintptr(fd), path), addr: addr, proof: proof, ask: ask}
	tick := time.NewTicker(claimPoll)
	defer tick.Stop()
	for {
		held, err := c.try(ctx)
		if held {
			return c, nil
		}
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), c.Close())
		}
	}
}

// try locks the file if nobody else has it, or if one who has it is on the same machine.
func (c *claim) try(ctx context.Context) (held bool, err error) {
	switch err := c.lock(unix.LOCK_EX); {
	case err == nil:
		if ok, err := c.start(ctx); !ok || err != nil {
			return false, errors.Join(err, c.unlock())
		}
	case !errors.Is(err, unix.EWOULDBLOCK):
		return false, err
	}
	// A lock that becomes a shared one is free for a moment, so the file may have another content afterwards.
	if err := c.lock(unix.LOCK_SH); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return false, nil
		}
		return false, err
	}
	if held, err = c.join(); !held || err != nil {
		return false, errors.Join(err, c.unlock())
	}
	return true, nil
}

func (c *claim) lock(how int) error { return unix.Flock(int(c.Fd()), how|unix.LOCK_NB) }

func (c *claim) unlock() error { return unix.Flock(int(c.Fd()), unix.LOCK_UN) }

// start writes the file anew. It returns errOccupied if something answers at the address, also at the next try: the
// kernel may take a moment to end what a killed process has listened at.
func (c *claim) start(ctx context.Context) (bool, error) {
	if answers(ctx, c.addr) {
		if c.occupied++; c.occupied > 1 {
			return false, errOccupied
		}
		return false, nil
	}
	c.occupied = 0
	if err := c.Truncate(0); err != nil {
		return false, err
	}
	return true, c.append()
}

// join appends the proof if one of those in the file is of the same machine. The owner of a shared lock calls it.
func (c *claim) join() (bool, error) {
	text, err := io.ReadAll(io.NewSectionReader(c, 0, proofsLimit))
	if err != nil {
		return false, err
	}
	var proofs []Proof
	for line := range bytes.Lines(text) {
		var p Proof
		if json.Unmarshal(line, &p) == nil { // else a process was killed while it wrote
			proofs = append(proofs, p)
		}
	}
	if slices.Contains(proofs, c.proof) {
		return true, nil
	}
	verdict, err := c.ask(proofs)
	switch {
	case err != nil:
		return false, err
	case verdict.Here && len(text) < proofsLimit:
		return true, c.append()
	case verdict.Stop:
		return false, errClaimed
	}
	return false, nil
}

// append writes the proof to the end of the file, at once.
func (c *claim) append() error {
	line, err := json.Marshal(c.proof)
	if err == nil {
		_, err = c.Write(append(line, '\n'))
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

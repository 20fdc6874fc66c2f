package inside

import (
	"errors"
	"os"
	"os/signal"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// pollInterval is how often Serve looks for other processes.
	pollInterval = time.Second
	// emptyLimit is how long the container runs without another process: a client starts the container first, and then
	// the process in it.
	emptyLimit = 30 * time.Second
)

// Serve keeps the container running while another process runs in it, and 30 s longer. It also returns on SIGTERM; the
// kernel then kills the other processes. This process must be process 1 of the container.
func Serve() error {
	if os.Getpid() != 1 {
		return errors.New("this is the first process of a container: the plugin starts it")
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT)
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for used := time.Now(); ; {
		select {
		case <-signals:
			return nil
		case <-tick.C:
		}
		reap()
		alone, err := isAlone()
		switch {
		case err != nil:
			return err
		case !alone:
			used = time.Now()
		case time.Since(used) > emptyLimit:
			return nil
		}
	}
}

// reap waits for orphans that have exited, which would stay zombies otherwise.
func reap() {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		if pid <= 0 && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// isAlone reports whether this is the only process in the container.
func isAlone() (bool, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return false, err
	}
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil && pid != 1 {
			return false, nil
		}
	}
	return true, nil
}

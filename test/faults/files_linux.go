package faults

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// plugin is the program that is supervised.
const plugin = "pulumi-resource-buildkit"

// Files supervises the file operations of each plugin that starts from the folder Bin. It counts the operations on
// files and folders, and leaves out /proc, /sys and /dev but for /dev/shm. What other processes do does not count,
// although the plugin started them: they pass.
type Files struct {
	trigger

	Bin string // a folder with this program in the plugin's place, and links to the other programs

	dir      string
	program  string // the real plugin
	below    []string
	socket   *net.UnixListener
	torn     string // the file whose next write finds no space; guarded by the trigger's lock
	running  sync.WaitGroup
	sessions struct {
		sync.Mutex
		open  map[*listener]bool
		ended bool
	}
}

// NewFiles starts to supervise. bin is the folder of the real plugin and of the programs that a test runs. TestMain
// must call Launch. If there are folders in below, only operations below them count. Close ends the supervision.
func NewFiles(bin string, below ...string) (_ *Files, err error) {
	f := &Files{program: filepath.Join(bin, plugin), below: below}
	f.sessions.open = map[*listener]bool{}
	if f.dir, err = os.MkdirTemp("", "faults-"); err != nil {
		return nil, err
	}
	f.Bin = filepath.Join(f.dir, "bin")
	if err = f.fillBin(bin); err == nil {
		f.socket, err = net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(f.dir, "s"), Net: "unix"})
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(f.dir))
	}
	f.running.Go(f.accept)
	return f, nil
}

// fillBin fills the folder Bin.
func (f *Files) fillBin(bin string) error {
	if err := os.Mkdir(f.Bin, 0o700); err != nil {
		return err
	}
	programs, err := os.ReadDir(bin)
	if err != nil {
		return err
	}
	for _, program := range programs {
		if program.Name() == plugin {
			continue
		}
		if err := os.Symlink(filepath.Join(bin, program.Name()), filepath.Join(f.Bin, program.Name())); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return os.Symlink(self, filepath.Join(f.Bin, plugin))
}

// Env returns the variables that the plugin's environment needs.
func (f *Files) Env() []string {
	return []string{socketVariable + "=" + f.socket.Addr().String(), programVariable + "=" + f.program}
}

// Arm forgets the last run as Reset does, and makes operation i fail, counted from 1, or the first one after it that
// the fault suits. fault is one of Faults.
func (f *Files) Arm(i int, fault string) {
	f.mu.Lock()
	f.torn = ""
	f.mu.Unlock()
	f.arm(i, fault)
}

// Reset forgets the last run, and lets all operations pass.
func (f *Files) Reset() { f.Arm(0, "") }

// Close ends the supervision. It waits up to 30 s for the processes that are supervised, and those that they started.
// It returns an error if some remain: their file operations fail from now on.
func (f *Files) Close() error {
	err := f.socket.Close()
	ended := make(chan struct{})
	go func() {
		f.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		err = errors.Join(err, f.endSessions())
		<-ended
	}
	return errors.Join(err, os.RemoveAll(f.dir))
}

// endSessions ends the supervision of processes that still run, and returns an error that names them.
func (f *Files) endSessions() error {
	f.sessions.Lock()
	defer f.sessions.Unlock()
	f.sessions.ended = true
	var err error
	for l := range f.sessions.open {
		err = errors.Join(err, fmt.Errorf("process %d, or one that it started, still runs under supervision", l.pid))
		l.end()
	}
	return err
}

// accept supervises each process whose launcher connects, until Close.
func (f *Files) accept() {
	for {
		connection, err := f.socket.AcceptUnix()
		if err != nil {
			return
		}
		f.running.Go(func() { f.supervise(connection) })
	}
}

// supervise answers the calls of a process until it, and all that it started, have ended.
func (f *Files) supervise(connection *net.UnixConn) {
	file, err := connection.File()
	_ = connection.Close()
	if err != nil {
		return
	}
	l, err := receiveListener(int(file.Fd())) // blocking from here on
	_ = file.Close()
	if err != nil {
		return
	}
	defer l.close()
	f.sessions.Lock()
	f.sessions.open[l] = true
	if f.sessions.ended {
		l.end()
	}
	f.sessions.Unlock()
	for {
		n, ok := l.wait()
		if !ok {
			break
		}
		f.judge(l, n)
	}
	f.sessions.Lock()
	delete(f.sessions.open, l)
	f.sessions.Unlock()
}

// isCounted tells whether operations on the path count.
func (f *Files) isCounted(path string) bool {
	return len(f.below) == 0 || slices.ContainsFunc(f.below, func(folder string) bool {
		return path == folder || strings.HasPrefix(path, folder+"/")
	})
}

package faults

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// The faults of Files. Those that are named after an error make the operation return it; the operation does not happen.
const (
	NoSpace      = "ENOSPC" // of operations that may need space
	InputOutput  = "EIO"
	AccessDenied = "EACCES"            // of operations on paths
	TooManyFiles = "EMFILE"            // of opens
	ShortWrite   = "short write"       // half of the bytes are written, and the write returns that
	TornWrite    = "torn write"        // the same, and the next operation that needs space in this file returns ENOSPC
	DiskFull     = "disk full"         // from this operation on, all that may need space return ENOSPC, until Reset
	Kill         = "kill"              // the process is killed before the operation
	KillTorn     = "kill in the write" // half of the bytes are written, and the process is killed
)

// FileFaults returns the names of all faults. Not every fault suits every operation.
func FileFaults() []string {
	return []string{NoSpace, InputOutput, AccessDenied, TooManyFiles, ShortWrite, TornWrite, DiskFull, Kill, KillTorn}
}

// Faults returns FileFaults.
func (f *Files) Faults() []string { return FileFaults() }

// suits tells whether an operation can fail that way.
func (o operation) suits(fault string) bool {
	switch fault {
	case NoSpace, DiskFull:
		return o.allocates
	case InputOutput, Kill:
		return true
	case AccessDenied:
		return o.fd < 0
	case TooManyFiles:
		return o.opens
	case ShortWrite, TornWrite, KillTorn:
		return o.writes >= 0 && o.args[o.writes] >= 2
	}
	return false
}

// errnos has the error of each fault that is one.
var errnos = map[string]unix.Errno{
	NoSpace: unix.ENOSPC, InputOutput: unix.EIO, AccessDenied: unix.EACCES, TooManyFiles: unix.EMFILE,
	DiskFull: unix.ENOSPC,
}

// judge counts a call if it is a file operation of the supervised process, and answers it.
func (f *Files) judge(l *listener, n *notification) {
	if !l.isSupervised(n.pid) {
		l.pass(n)
		return
	}
	o, ok := newOperation(n)
	if !ok || !f.isCounted(o.path) {
		l.pass(n)
		return
	}
	fault := f.next(o.String(), o.suits)
	switch {
	case fault == "" && o.allocates && f.isFull(o.path):
		l.fail(n, unix.ENOSPC)
	case fault == "":
		l.pass(n)
	case fault == Kill:
		_ = unix.Kill(l.pid, unix.SIGKILL)
	case slices.Contains([]string{ShortWrite, TornWrite, KillTorn}, fault):
		f.writeHalf(l, n, o, fault)
	default:
		l.fail(n, errnos[fault])
	}
}

// isFull tells whether an earlier fault left no space for the path.
func (f *Files) isFull(path string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.torn != "" && f.torn == path {
		f.torn = ""
		return true
	}
	return f.hit != "" && f.fault == DiskFull
}

// writeHalf writes half of what the process wants to write, in its name.
func (f *Files) writeHalf(l *listener, n *notification, o operation, fault string) {
	written, err := o.writeHalf(l.pid)
	if err != nil {
		f.setHit("the supervisor could not write half: " + err.Error())
		l.pass(n)
		return
	}
	switch fault {
	case KillTorn:
		_ = unix.Kill(l.pid, unix.SIGKILL)
		return
	case TornWrite:
		f.mu.Lock()
		f.torn = o.path
		f.mu.Unlock()
	}
	l.send(answer{id: n.id, value: int64(written)})
}

// writeHalf writes the first half of the bytes to the file of process pid, and returns how many these are.
func (o operation) writeHalf(pid int) (written int, err error) {
	content, ok := o.readMemory(o.args[o.writes-1], int(o.args[o.writes]/2))
	if !ok {
		return 0, unix.EFAULT
	}
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(process) }()
	file, err := unix.PidfdGetfd(process, int(o.args[o.fd]), 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(file) }()
	if o.number == unix.SYS_PWRITE64 {
		return unix.Pwrite(file, content, int64(o.args[3]))
	}
	return unix.Write(file, content)
}

// Suits tells by the event of an operation, such as "write /a, 5 bytes", whether it can fail that way.
func Suits(fault, event string) bool {
	verb, _, _ := strings.Cut(event, " ")
	switch fault {
	case NoSpace, DiskFull:
		return verb != "open" && verb != "remove"
	case AccessDenied:
		return verb != "write" && verb != "sync"
	case TooManyFiles:
		return verb == "open" || verb == "create"
	case ShortWrite, TornWrite, KillTorn:
		return verb == "write"
	}
	return true
}

package faults

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// An operation is one call of a supervised process, with what it works on.
type operation struct {
	call
	pid     int // of the thread
	number  uintptr
	args    [6]uint64
	path    string
	creates bool // an open that may make the file
}

// newOperation finds out what a call works on. ok is false if that is no file or folder, or the process has ended.
func newOperation(n *notification) (o operation, ok bool) {
	o = operation{call: calls[uintptr(n.number)], pid: int(n.pid), number: uintptr(n.number), args: n.args}
	if o.fd >= 0 {
		o.path = o.target(fmt.Sprintf("fd/%d", int32(o.args[o.fd])))
	} else {
		o.path = o.pathArgument()
	}
	if o.opens {
		flags, known := o.openFlags()
		o.creates = known && flags&unix.O_CREAT != 0
		o.allocates = o.creates
	}
	return o, isFile(o.path)
}

// isFile tells whether a path is on a disk, or in memory in its place. What is no file has a target without a slash,
// such as socket:[1].
func isFile(path string) bool {
	if strings.HasPrefix(path, "/dev/shm/") {
		return true
	}
	for _, folder := range []string{"/proc", "/dev", "/sys"} {
		if path == folder || strings.HasPrefix(path, folder+"/") {
			return false
		}
	}
	return strings.HasPrefix(path, "/")
}

// target returns what a link in the process's folder of /proc leads to, or "".
func (o operation) target(link string) string {
	target, _ := os.Readlink(fmt.Sprintf("/proc/%d/%s", o.pid, link))
	return target
}

// pathArgument returns the path that the call names, absolute. Links in it are not followed.
func (o operation) pathArgument() string {
	path, ok := o.readString(o.args[o.at+1])
	switch folder := int32(o.args[o.at]); {
	case !ok:
		return ""
	case strings.HasPrefix(path, "/"):
		return filepath.Clean(path)
	case folder == unix.AT_FDCWD:
		return filepath.Join(o.target("cwd"), path)
	default:
		return filepath.Join(o.target(fmt.Sprintf("fd/%d", folder)), path)
	}
}

// openFlags returns the flags of an open.
func (o operation) openFlags() (flags uint64, ok bool) {
	if o.number == unix.SYS_OPENAT {
		return o.args[2], true
	}
	how, ok := o.readMemory(o.args[2], 8) // the first field of open_how
	if !ok {
		return 0, false
	}
	for i := range how {
		flags |= uint64(how[i]) << (8 * i)
	}
	return flags, true
}

// readString returns the text that ends with a zero byte at an address of the process.
func (o operation) readString(address uint64) (text string, ok bool) {
	const longest = 4096
	toPageEnd := longest - int(address%longest)
	content, _ := o.readMemory(address, toPageEnd)
	if end := bytes.IndexByte(content, 0); end >= 0 {
		return string(content[:end]), true
	}
	rest, _ := o.readMemory(address+uint64(toPageEnd), longest)
	if end := bytes.IndexByte(rest, 0); end >= 0 {
		return string(content) + string(rest[:end]), true
	}
	return "", false
}

// readMemory returns size bytes at an address of the process.
func (o operation) readMemory(address uint64, size int) (content []byte, ok bool) {
	content = make([]byte, size)
	if size == 0 {
		return content, true
	}
	local := []unix.Iovec{{Base: &content[0]}}
	local[0].SetLen(size)
	n, err := unix.ProcessVMReadv(o.pid, local, []unix.RemoteIovec{{Base: uintptr(address), Len: size}}, 0)
	return content[:max(n, 0)], err == nil && n == size
}

// String names the call, the path and the size of what is written.
func (o operation) String() string {
	switch {
	case o.writes >= 0:
		return fmt.Sprintf("%s %s, %d bytes", o.name, o.path, o.args[o.writes])
	case o.creates:
		return "create " + o.path
	}
	return o.name + " " + o.path
}

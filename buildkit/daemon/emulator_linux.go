package daemon

import (
	"encoding/binary"
	"os/exec"
	"runtime"
	"slices"

	"github.com/containerd/platforms"
)

// emulatorPackage is Debian's and Ubuntu's name for the package that holds every qemu-<arch>-static.
const emulatorPackage = "qemu-user-static"

// machine is an architecture that QEMU can stand in for.
type machine struct {
	arch  string // as in a platform
	qemu  string // as in qemu-<arch>-static
	code  uint16 // e_machine of its ELF files
	class byte   // 1: 32 bits, 2: 64 bits
	order binary.ByteOrder
}

var machines = []machine{
	{arch: "386", qemu: "i386", code: 3, class: 1, order: binary.LittleEndian},
	{arch: "amd64", qemu: "x86_64", code: 62, class: 2, order: binary.LittleEndian},
	{arch: "arm", qemu: "arm", code: 40, class: 1, order: binary.LittleEndian},
	{arch: "arm64", qemu: "aarch64", code: 183, class: 2, order: binary.LittleEndian},
	{arch: "ppc64le", qemu: "ppc64le", code: 21, class: 2, order: binary.LittleEndian},
	{arch: "riscv64", qemu: "riscv64", code: 243, class: 2, order: binary.LittleEndian},
	{arch: "s390x", qemu: "s390x", code: 22, class: 2, order: binary.BigEndian},
}

// native tells whether a kernel of the architecture host runs programs of m by itself. A 64-bit Arm is taken to run 32-bit
// programs: a handler would get in the way of those that do.
func (m machine) native(host string) bool {
	return m.arch == host || host == "amd64" && m.arch == "386" || host == "arm64" && m.arch == "arm"
}

func (m machine) program() string { return "qemu-" + m.qemu + "-static" }

// header is the beginning of an executable of m as the kernel reads it; mask has a bit for each that matters: the ABI byte
// does not, and types 2 (fixed address) and 3 (any address) differ in one bit.
func (m machine) header() (header, mask []byte) {
	data := byte(1)
	if m.order == binary.BigEndian {
		data = 2
	}
	header = append([]byte{0x7f, 'E', 'L', 'F', m.class, data, 1, 0}, make([]byte, 12)...)
	mask = append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0}, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)
	m.order.PutUint16(header[16:], 2)
	m.order.PutUint16(header[18:], m.code)
	m.order.PutUint16(mask[16:], 0xfffe)
	m.order.PutUint16(mask[18:], 0xffff)
	return header, mask
}

// MissingEmulator tells whether this machine lacks what runs steps of the platform, and the Debian package to install then.
// It is not missing when the kernel runs them by itself, when QEMU is on PATH, when a handler is registered, or when the
// embedded daemon could not emulate the platform anyway.
func MissingEmulator(platform string) (pkg string, missing bool) {
	parsed, err := platforms.Parse(platform)
	if err != nil || parsed.OS != "linux" {
		return "", false
	}
	at := slices.IndexFunc(machines, func(m machine) bool { return m.arch == parsed.Architecture })
	if at < 0 || machines[at].native(runtime.GOARCH) {
		return "", false
	}
	if _, err := exec.LookPath(machines[at].program()); err == nil {
		return "", false
	}
	// A binfmt_misc that is not mounted shows no handlers: then QEMU is missing as far as anybody can see.
	handlers, err := binfmt{dir: binfmtDir}.handlers()
	if err == nil && slices.ContainsFunc(handlers, func(h handler) bool { return h.takes(machines[at]) }) {
		return "", false
	}
	return emulatorPackage, true
}

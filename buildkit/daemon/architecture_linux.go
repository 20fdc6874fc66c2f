package daemon

import (
	"bytes"
	"encoding/binary"
	"os/exec"
	"runtime"
	"slices"

	"github.com/containerd/platforms"
)

// emulatorPackage is Debian's and Ubuntu's name for the package that holds every qemu-<arch>-static.
const emulatorPackage = "qemu-user-static"

// architecture is a processor architecture that QEMU can emulate.
type architecture struct {
	arch  string // as in a platform
	qemu  string // as in qemu-<arch>-static
	code  uint16 // e_machine of its ELF files
	class byte   // 1: 32 bits, 2: 64 bits
	order binary.ByteOrder
}

var architectures = []architecture{
	{arch: "386", qemu: "i386", code: 3, class: 1, order: binary.LittleEndian},
	{arch: "amd64", qemu: "x86_64", code: 62, class: 2, order: binary.LittleEndian},
	{arch: "arm", qemu: "arm", code: 40, class: 1, order: binary.LittleEndian},
	{arch: "arm64", qemu: "aarch64", code: 183, class: 2, order: binary.LittleEndian},
	{arch: "ppc64le", qemu: "ppc64le", code: 21, class: 2, order: binary.LittleEndian},
	{arch: "riscv64", qemu: "riscv64", code: 243, class: 2, order: binary.LittleEndian},
	{arch: "s390x", qemu: "s390x", code: 22, class: 2, order: binary.BigEndian},
}

// isNative reports whether a kernel of the architecture host runs programs of m by itself.
//
// It assumes that a 64-bit Arm processor runs 32-bit programs. Not all do, but on those that do a handler would make
// these programs slow.
func (m architecture) isNative(host string) bool {
	return m.arch == host || host == "amd64" && m.arch == "386" || host == "arm64" && m.arch == "arm"
}

// program returns the name of the emulator for m.
func (m architecture) program() string { return "qemu-" + m.qemu + "-static" }

// header returns the first bytes of an executable of m, and a mask in which each bit that matters is set.
//
// The ABI byte does not matter, and types 2 (fixed address) and 3 (any address) differ in one bit.
func (m architecture) header() (header, mask []byte) {
	data := byte(1)
	if m.order == binary.BigEndian {
		data = 2
	}
	header = append([]byte{0x7f, 'E', 'L', 'F', m.class, data, 1, 0}, make([]byte, 12)...)
	mask = append(bytes.Repeat([]byte{0xff}, 7), 0)
	mask = append(mask, bytes.Repeat([]byte{0xff}, 8)...)
	mask = append(mask, 0, 0, 0, 0)
	m.order.PutUint16(header[16:], 2)
	m.order.PutUint16(header[18:], m.code)
	m.order.PutUint16(mask[16:], 0xfffe)
	m.order.PutUint16(mask[18:], 0xffff)
	return header, mask
}

// MissingEmulator reports whether this machine lacks an emulator for steps of the platform. It returns the Debian
// package to install then.
//
// Nothing is missing if the kernel runs the steps by itself, if QEMU is on PATH, or if a handler is registered. It also
// returns false for a platform that the embedded daemon cannot emulate at all.
func MissingEmulator(platform string) (pkg string, missing bool) {
	parsed, err := platforms.Parse(platform)
	if err != nil || parsed.OS != "linux" {
		return "", false
	}
	at := slices.IndexFunc(architectures, func(m architecture) bool { return m.arch == parsed.Architecture })
	if at < 0 || architectures[at].isNative(runtime.GOARCH) {
		return "", false
	}
	if _, err := exec.LookPath(architectures[at].program()); err == nil {
		return "", false
	}
	// If binfmt_misc is not mounted, nobody can see handlers: then QEMU counts as missing.
	handlers, err := binfmt{dir: binfmtDir}.handlers()
	if err == nil && slices.ContainsFunc(handlers, func(h handler) bool { return h.matches(architectures[at]) }) {
		return "", false
	}
	return emulatorPackage, true
}

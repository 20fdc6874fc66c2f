package faults

import "golang.org/x/sys/unix"

// auditArchitecture is what the kernel calls the architecture of this program.
const auditArchitecture = unix.AUDIT_ARCH_X86_64

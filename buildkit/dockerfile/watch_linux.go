package dockerfile

import "syscall"

// backstop is what the kernel allows beyond memoryLimit: Go maps memory in advance, and one allocation may be large.
const backstop = 1 << 30

// rlimitData is RLIMIT_DATA: writable private memory. RLIMIT_AS would count what Go reserves and never uses.
const rlimitData = 2

// limitMemory has the kernel refuse what comes faster than the watch can see.
func limitMemory() {
	_ = syscall.Setrlimit(rlimitData, &syscall.Rlimit{Cur: memoryLimit + backstop, Max: memoryLimit + backstop})
}

// Package faults makes one chosen thing fail while a program runs: the i-th message between the plugin and a BuildKit
// daemon, or the i-th file operation of the plugin.
//
//   - [Daemon] is a proxy in front of a BuildKit daemon. It counts gRPC messages.
//   - [Files] supervises the plugin through the kernel. It counts file operations. It exists on Linux only.
//
// Both are used alike. A test calls Reset and runs the program undisturbed; Count then returns n. For each i from 1 to
// n the test calls Arm with i and a fault, and runs the program again. Hit describes what failed. It returns "" if the
// program did not get as far, or if the fault does not suit event i.
package faults

//go:build unix

package source

import (
	"os"
	"syscall"
)

func makeFIFO(path string) error { return syscall.Mkfifo(path, 0o644) }

// peakMegabytes returns the most memory that a process had resident.
func peakMegabytes(ended *os.ProcessState) float64 {
	return float64(ended.SysUsage().(*syscall.Rusage).Maxrss) / 1024
}

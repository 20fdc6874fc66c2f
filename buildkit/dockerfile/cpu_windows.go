package dockerfile

import (
	"syscall"
	"time"
)

// cpuTime returns the CPU time that this process has taken of all cores.
func cpuTime() time.Duration {
	self, err := syscall.GetCurrentProcess()
	if err != nil {
		return 0
	}
	var created, ended, kernel, user syscall.Filetime
	if syscall.GetProcessTimes(self, &created, &ended, &kernel, &user) != nil {
		return 0
	}
	return durationOf(kernel) + durationOf(user)
}

// durationOf returns a duration that Windows gives as a time, in units of 100 ns.
func durationOf(t syscall.Filetime) time.Duration {
	return time.Duration(int64(t.HighDateTime)<<32|int64(t.LowDateTime)) * 100
}

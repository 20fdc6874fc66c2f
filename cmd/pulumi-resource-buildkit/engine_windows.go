package main

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// watchEngine returns a function that reports whether the process that started this one still lives. Windows never
// gives an orphan another parent, so the parent's handle is kept open for the life of this process: it is signaled when
// the parent has ended. A parent that cannot be opened for another reason than its end counts as alive.
func watchEngine() (alive func() bool) {
	const rights = windows.SYNCHRONIZE | windows.PROCESS_QUERY_LIMITED_INFORMATION
	engine, err := windows.OpenProcess(rights, false, uint32(os.Getppid()))
	if err != nil {
		return func() bool { return !errors.Is(err, windows.ERROR_INVALID_PARAMETER) } // there is no such process
	}
	if startedLater(engine, windows.CurrentProcess()) { // another process has taken the parent's number
		return func() bool { return false }
	}
	return func() bool {
		event, err := windows.WaitForSingleObject(engine, 0)
		return err != nil || event == uint32(windows.WAIT_TIMEOUT)
	}
}

// startedLater reports whether a process started after another. It is false when either time cannot be read.
func startedLater(process, other windows.Handle) bool {
	started := func(p windows.Handle) (int64, error) {
		var creation, exit, kernel, user windows.Filetime
		err := windows.GetProcessTimes(p, &creation, &exit, &kernel, &user)
		return creation.Nanoseconds(), err
	}
	one, err := started(process)
	two, otherErr := started(other)
	return err == nil && otherErr == nil && one > two
}

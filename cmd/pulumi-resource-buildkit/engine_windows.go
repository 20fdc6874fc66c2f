package main

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// watchEngine returns a function that tells whether the process that started this one still lives. A parent that cannot
// be opened counts as alive, unless the reason is its end.
//
// Windows never gives an orphan another parent. So watchEngine keeps the parent's handle open for the life of this
// process: Windows signals it when the parent has ended.
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

// startedLater tells whether a process started after another. It returns false if it cannot read one of the times.
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

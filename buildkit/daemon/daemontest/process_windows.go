package daemontest

// The embedded daemon runs on Linux only: there is never a process to stop.

func terminate(int) {}

func isRunning(int) bool { return false }

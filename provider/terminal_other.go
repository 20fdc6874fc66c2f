//go:build !linux

package provider

// isInteractive returns false, because this system does not tell the parent's terminal. One line for each finished step
// is readable both in a log and at a terminal.
func isInteractive() bool { return false }

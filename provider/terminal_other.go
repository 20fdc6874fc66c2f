//go:build !linux

package provider

// isInteractive is false where the process that started us cannot be asked: a line for each finished step suits both.
func isInteractive() bool { return false }

//go:build !linux

package provider

// startTime returns "": the address and the process id of the engine must suffice.
func startTime(int) string { return "" }

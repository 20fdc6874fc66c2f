//go:build !linux

package provider

// startTime returns "": the address and the id of the engine have to do.
func startTime(int) string { return "" }

//go:build !linux

package dockerfile

// limitMemory does nothing: the watch alone holds the limit.
func limitMemory() {}

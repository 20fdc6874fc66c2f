//go:build !linux

package source

import "os"

// Watch tells whether a tree is still what Scan recorded. On this system it watches nothing.
type Watch struct{}

// NewWatch returns a Watch for one Scan.
func NewWatch() *Watch { return nil }

// IsUnchanged returns false: any tree may have changed.
func (*Watch) IsUnchanged() bool { return false }

// Close ends the watch.
func (*Watch) Close() {}

func (*Watch) begin(string, *os.File)      {}
func (*Watch) addFolder(*folder, *os.File) {}
func (*Watch) giveUp()                     {}
func (*Watch) drainScan()                  {}
func (*Watch) end()                        {}

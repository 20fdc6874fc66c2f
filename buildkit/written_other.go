//go:build !linux

package buildkit

import "context"

// Read is nil: this system does not tell.
func Read(context.Context, string) func() (bytes int64, known bool) { return nil }

// Written is nil: this system does not tell.
func Written(context.Context, string) func() (bytes int64, known bool) { return nil }

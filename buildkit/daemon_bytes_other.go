//go:build !linux

package buildkit

import "context"

// ReadCounter returns nil, because this system does not count.
func ReadCounter(context.Context, string) func() (bytes int64, ok bool) { return nil }

// WriteCounter returns nil, because this system does not count.
func WriteCounter(context.Context, string) func() (bytes int64, ok bool) { return nil }

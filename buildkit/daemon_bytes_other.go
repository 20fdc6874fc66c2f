//go:build !linux

package buildkit

import "context"

// ReadCounter is nil: this system does not tell.
func ReadCounter(context.Context, string) func() (bytes int64, known bool) { return nil }

// WriteCounter is nil: this system does not tell.
func WriteCounter(context.Context, string) func() (bytes int64, known bool) { return nil }

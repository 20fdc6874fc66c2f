package fault

import (
	"context"
	"log/slog"
)

// Logger returns logger, or one that discards everything when logger is nil.
func Logger(logger *slog.Logger) *slog.Logger {
	if logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return logger
}

// Log logs that a request is tried again after the pause. method is that of HTTP, or an operation of an API.
func (p Pause) Log(ctx context.Context, logger *slog.Logger, host, method string) {
	logger.DebugContext(ctx, "trying again", "host", host, "method", method, "attempt", p.Tries+1, "wait", p.Length,
		"reason", OneLine(p.Failure.Error()))
}

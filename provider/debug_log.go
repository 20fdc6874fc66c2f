package provider

import (
	"bytes"
	"context"
	"log/slog"
	"os"
)

// debugVariable asks for the debug log on the terminal.
const debugVariable = "PULUMI_BUILDKIT_DEBUG"

// newDebugLog returns the debug log of the operation that ctx belongs to: which credentials, builders and caches were used
// and why, and what was tried again. Its records are debug messages of the engine, or lines on the terminal if
// PULUMI_BUILDKIT_DEBUG is set. Those who write to it leave secrets out.
func newDebugLog(ctx context.Context) *slog.Logger {
	return slog.New(slog.NewTextHandler(debugLines{loggerOf(ctx)}, &slog.HandlerOptions{
		Level: slog.LevelDebug, ReplaceAttr: withoutTime,
	}))
}

// withoutTime drops the time and the level of a record: the engine has both.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return a
}

// debugLines shows each record in a line.
type debugLines struct{ log logger }

// Write implements io.Writer. slog calls it once for each record.
func (d debugLines) Write(line []byte) (int, error) {
	text := bytes.TrimSuffix(line, []byte("\n"))
	if os.Getenv(debugVariable) != "" {
		d.log.infof("debug: %s", text)
	} else {
		d.log.debugf("%s", text)
	}
	return len(line), nil
}

package provider

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"regexp"
)

// debugVariable asks for the debug log on the terminal.
const debugVariable = "PULUMI_BUILDKIT_DEBUG"

// newDebugLog returns the debug log of the operation that ctx belongs to: which credentials, builders and caches it
// used and why, and what it retried. Records are debug messages of the engine, or lines on the terminal if
// PULUMI_BUILDKIT_DEBUG is set. Its writers leave secrets out.
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

// urlQuery matches a URL up to its query, and the query.
//
// A registry may put the secret state of an upload there, and repeat it in the error of a push.
var urlQuery = regexp.MustCompile(`(https?://[^\s"?]+\?)[^\s"]+`)

// debugLines shows each record in one line, without the queries of URLs.
type debugLines struct{ log logger }

// Write implements io.Writer. slog calls it once for each record.
func (d debugLines) Write(line []byte) (int, error) {
	text := urlQuery.ReplaceAll(bytes.TrimSuffix(line, []byte("\n")), []byte("${1}…"))
	if os.Getenv(debugVariable) != "" {
		d.log.infof("debug: %s", text)
	} else {
		d.log.debugf("%s", text)
	}
	return len(line), nil
}

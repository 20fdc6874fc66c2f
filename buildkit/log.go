package buildkit

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// newLog returns a logger that passes records on to logger without the secrets of redact. A nil logger discards them.
func newLog(logger *slog.Logger, redact *redaction) *slog.Logger {
	if logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(&redactingHandler{next: logger.Handler(), redact: redact})
}

// errorLine returns the first line of an error; "" for nil. The other lines show a Dockerfile or the output of a step.
func errorLine(err error) string {
	if err == nil {
		return ""
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// redactingHandler hides secrets in the values of records.
type redactingHandler struct {
	next   slog.Handler
	redact *redaction
}

// Enabled implements slog.Handler.
func (h *redactingHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *redactingHandler) Handle(ctx context.Context, r slog.Record) error {
	hidden := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		hidden.AddAttrs(h.hide(a))
		return true
	})
	return h.next.Handle(ctx, hidden)
}

// WithAttrs implements slog.Handler.
func (h *redactingHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &redactingHandler{next: h.next.WithAttrs(h.hideAll(attrs)), redact: h.redact}
}

// WithGroup implements slog.Handler.
func (h *redactingHandler) WithGroup(name string) slog.Handler {
	return &redactingHandler{next: h.next.WithGroup(name), redact: h.redact}
}

// hide returns an attribute without secrets. A value that is neither a number nor a time becomes text.
func (h *redactingHandler) hide(a slog.Attr) slog.Attr {
	switch value := a.Value.Resolve(); value.Kind() {
	case slog.KindGroup:
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(h.hideAll(value.Group())...)}
	case slog.KindString, slog.KindAny:
		return slog.String(a.Key, h.redact.hide(fmt.Sprint(value.Any())))
	default:
		return slog.Attr{Key: a.Key, Value: value}
	}
}

func (h *redactingHandler) hideAll(attrs []slog.Attr) []slog.Attr {
	var hidden []slog.Attr
	for _, a := range attrs {
		hidden = append(hidden, h.hide(a))
	}
	return hidden
}

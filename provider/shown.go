package provider

import (
	"context"
	"fmt"

	p "github.com/pulumi/pulumi-go-provider"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/foreign"
)

// Everything that the provider shows to a person leaves it through this file. Errors, reasons and messages contain
// foreign text: from registries, daemons, steps, Dockerfiles and file names. Each passes through package foreign as a
// whole.

// logger shows messages of one operation.
type logger struct{ to p.Logger }

// loggerOf returns the logger of the operation that ctx belongs to.
func loggerOf(ctx context.Context) logger {
	return logger{p.GetLogger(ctx)} //nolint:forbidigo // everything else calls loggerOf
}

func (l logger) debugf(format string, values ...any) {
	l.to.Debug(foreign.Text(fmt.Sprintf(format, withRemedies(values)...)))
}

func (l logger) infof(format string, values ...any) {
	l.to.Info(foreign.Text(fmt.Sprintf(format, withRemedies(values)...)))
}

func (l logger) warn(text string) { l.warnf("%s", text) }

func (l logger) warnf(format string, values ...any) {
	l.to.Warning(foreign.Text(fmt.Sprintf(format, withRemedies(values)...)))
}

// status replaces the line beside the resource.
func (l logger) status(line string) { l.to.InfoStatus(foreign.Line(line)) }

// shownError replaces the text of an error by one that is safe to show.
type shownError struct {
	text  string
	cause error
}

func (e *shownError) Error() string { return e.text }
func (e *shownError) Unwrap() error { return e.cause }

// showError returns err with the remedies for faults of package registry, and with a text that is safe to show.
func showError(err error) error {
	if err == nil {
		return nil
	}
	err = explainRegistry(err)
	if text := foreign.Text(err.Error()); text != err.Error() {
		return &shownError{text, err}
	}
	return err
}

// showResponse makes the texts of a response safe to show. res is a pointer to the response. The engine also stores the
// texts of a partial state.
func showResponse(res any) {
	var partial *p.InitializationFailed
	switch res := res.(type) {
	case *p.CheckResponse:
		for i, failure := range res.Failures {
			res.Failures[i] = p.CheckFailure{
				Property: foreign.Line(failure.Property), Reason: foreign.Text(failure.Reason),
			}
		}
	case *p.CreateResponse:
		partial = res.PartialState
	case *p.UpdateResponse:
		partial = res.PartialState
	case *p.ReadResponse:
		partial = res.PartialState
	}
	if partial == nil {
		return
	}
	for i, reason := range partial.Reasons {
		partial.Reasons[i] = foreign.Text(reason)
	}
}

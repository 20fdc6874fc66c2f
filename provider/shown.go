package provider

import (
	"context"
	"fmt"

	p "github.com/pulumi/pulumi-go-provider"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/foreign"
)

// What a person sees of the provider leaves it in this file. Errors, reasons and messages have texts of others in them:
// of registries, daemons, steps, Dockerfiles and names of files. Each passes through package foreign as a whole.

// logger shows messages of the operation that a context belongs to.
type logger struct{ to p.Logger }

// loggerOf returns the one of ctx.
func loggerOf(ctx context.Context) logger {
	return logger{p.GetLogger(ctx)} //nolint:forbidigo // this is what others are to call
}

func (l logger) debugf(format string, values ...any) {
	l.to.Debug(foreign.Text(fmt.Sprintf(format, withRemedies(values)...)))
}

func (l logger) infof(format string, values ...any) {
	l.to.Info(foreign.Text(fmt.Sprintf(format, withRemedies(values)...)))
}

func (l logger) warning(text string) { l.warningf("%s", text) }

func (l logger) warningf(format string, values ...any) {
	l.to.Warning(foreign.Text(fmt.Sprintf(format, withRemedies(values)...)))
}

// status replaces the line that is shown beside the resource.
func (l logger) status(line string) { l.to.InfoStatus(foreign.Line(line)) }

// shownError is an error with a text that may be shown.
type shownError struct {
	text  string
	cause error
}

func (e *shownError) Error() string { return e.text }
func (e *shownError) Unwrap() error { return e.cause }

// showError returns err with the remedies of package registry's faults, and with another text if a part of it should not
// be shown as it is.
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

// showResponse changes the texts of a response, of which the argument is a pointer. Those of a partial state are
// stored.
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

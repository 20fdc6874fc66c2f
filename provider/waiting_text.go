package provider

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/foreign"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// limitError is the cause of a context that reached its time limit.
type limitError struct {
	limit time.Duration
	input string // the input that sets the limit; "" if none does
}

// Error names the limit.
func (e *limitError) Error() string {
	if e.input == "" {
		return fmt.Sprintf("the registry took longer than %s", e.limit)
	}
	return fmt.Sprintf("it took longer than %s allows, which is %s", e.input, e.limit)
}

// stoppedError says what an operation waited for when it was stopped.
type stoppedError struct {
	text  string
	cause error
}

// Error returns the sentence.
func (e *stoppedError) Error() string { return e.text }

// Unwrap returns the error of the operation.
func (e *stoppedError) Unwrap() error { return e.cause }

// explain returns an error that says what the operation waited for when it was stopped or when its daemon ended. The
// outcome follows. The error of an operation that was not stopped stays as it is.
func (w *waits) explain(err error, outcome string) error {
	if err == nil {
		return nil
	}
	if _, done := errors.AsType[*stoppedError](err); done {
		return err
	}
	err = explainRegistry(err)
	now, cause := w.stopCause()
	lost, isStopped := errors.AsType[*buildkit.StoppedError](err)
	if cause == nil && (!isStopped || len(lost.Waits) == 0) {
		return err
	}
	var all []wait
	stage := ""
	if cause != nil {
		all, stage = w.current()
	}
	if isStopped {
		for _, one := range lost.Waits {
			all = append(all, newBuildWait(one))
		}
	}
	if cause == nil {
		text := fmt.Sprintf("%v. The build was %s%s", err, activity(all, stage, now), withOutcome(outcome))
		return &stoppedError{text, err}
	}
	head, remedy := stopText(cause, now.Sub(w.began))
	text := fmt.Sprintf("%s: it was %s%s", head, activity(all, stage, now), withOutcome(outcome))
	if !isContextEnd(err, cause) {
		text += "; the last error was: " + foreign.Line(err.Error())
	}
	return &stoppedError{text + remedy, err}
}

// isContextEnd tells whether an error only says that the context ended.
func isContextEnd(err, cause error) bool {
	return errors.Is(err, cause) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func withOutcome(outcome string) string {
	if outcome == "" {
		return ""
	}
	return "; " + outcome
}

// stopText returns the beginning of the sentence and the remedy after it.
func stopText(cause error, took time.Duration) (head, remedy string) {
	over, ok := errors.AsType[*limitError](cause)
	switch {
	case !ok:
		return "canceled after " + shortDuration(took), ""
	case over.input == "":
		return fmt.Sprintf("stopped after %s, which is all that registries are given here", over.limit), ""
	}
	return fmt.Sprintf("stopped after %s (%s)", over.limit, over.input),
		fmt.Sprintf(". Raise %s if it only needs more time", over.input)
}

// activity returns what the operation was doing: its longest waits or, without waits, its stage.
func activity(all []wait, stage string, now time.Time) string {
	first, more := longestFirst(all)
	if len(first) == 0 {
		if stage == "" {
			return "at its beginning"
		}
		return stage
	}
	var texts []string
	for _, one := range first {
		took := shortDuration(max(0, now.Sub(one.since)))
		texts = append(texts, fmt.Sprintf("%s for %s%s", shortLine(one.doing), took, one.after))
	}
	if more > 0 {
		texts = append(texts, fmt.Sprintf("%d more", more))
	}
	text := texts[0]
	if last := len(texts) - 1; last > 0 {
		text = strings.Join(texts[:last], ", ") + " and " + texts[last]
	}
	if stage == "" || stage == stageBuilding {
		return text
	}
	return stage + ", " + text
}

// shortDuration returns a duration with few digits.
func shortDuration(d time.Duration) string {
	if d < time.Second/10 {
		return d.Round(time.Millisecond).String()
	}
	if d < 10*time.Second {
		return d.Round(time.Second / 10).String()
	}
	return d.Round(time.Second).String()
}

// longDigest matches a digest, of which a sentence shows only the beginning.
var longDigest = regexp.MustCompile(`(sha256:[0-9a-f]{12})[0-9a-f]{52}`)

// shortLine returns foreign text as a part of a sentence: cleaned, in one line and cut.
func shortLine(text string) string {
	const width = 160
	words := []rune(strings.Join(strings.Fields(longDigest.ReplaceAllString(foreign.Line(text), "$1…")), " "))
	if len(words) > width {
		words = append(words[:width-1], '…')
	}
	return string(words)
}

// newRegistryWait converts a wait of package registry.
func newRegistryWait(w registry.Wait) wait {
	switch w.Kind {
	case registry.WaitHelper:
		return wait{doing: fmt.Sprintf("waiting for %s to give the login for %s", w.Helper, w.Host)}
	case registry.WaitCloud:
		return wait{doing: "waiting for the login of the cloud for " + w.Host}
	case registry.WaitPause:
		return wait{
			doing: fmt.Sprintf("waiting to ask %s again", w.Host),
			after: fmt.Sprintf(" of %s, because: %s", shortDuration(w.Pause), shortLine(w.Failure.Error())),
		}
	}
	doing := fmt.Sprintf("waiting for %s to answer %s", w.Host, w.Request)
	if w.Registry != "" {
		doing += ", for " + w.Registry
	}
	return wait{doing: doing}
}

package provider

import (
	"errors"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// A remedy that says to run pulumi up again also says what to do if that does not help. It names the ignore file that
// applies.
func TestChangedFileRemedies(t *testing.T) {
	t.Parallel()
	for change, want := range map[source.FileChange]string{
		source.Grew: "If a program keeps writing to it, as to a log, add the line logs/app.log to " +
			"app.Dockerfile.dockerignore; otherwise run pulumi up again",
		source.Shrank: "If a program keeps writing it, add the line logs/app.log to app.Dockerfile.dockerignore; " +
			"otherwise run pulumi up again",
		source.Rewritten: "If a program keeps writing it, add the line logs/app.log to app.Dockerfile.dockerignore; " +
			"otherwise run pulumi up again",
		source.Replaced: "If a program keeps writing it, add the line logs/app.log to app.Dockerfile.dockerignore; " +
			"otherwise run pulumi up again",
		source.Vanished: "If a program makes and removes it again and again, add the line logs/app.log to " +
			"app.Dockerfile.dockerignore; otherwise run pulumi up again",
		source.Unreadable: "Let this user read it, or add the line logs/app.log to app.Dockerfile.dockerignore",
	} {
		err := &inputs.ChangedFileError{
			ChangedError: &source.ChangedError{Path: "logs/app.log", Change: change},
			Pattern:      "logs/app.log", IgnoreFile: "app.Dockerfile.dockerignore",
		}
		if got := changedFileRemedy(err); got != want {
			t.Errorf("%s: %q, want %q", change, got, want)
		}
		if got := explainContext(err).Error(); got != err.Error()+". "+want {
			t.Errorf("%s: %q", change, got)
		}
		if got := explainContext(err); !errors.Is(got, err) {
			t.Errorf("%s: the cause is lost", change)
		}
	}
}

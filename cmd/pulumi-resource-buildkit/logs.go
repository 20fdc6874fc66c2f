package main

import (
	"io"
	"os"

	"github.com/sirupsen/logrus"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/foreign"
)

// quietLibraries keeps what BuildKit's packages log for themselves off stderr: the engine shows each such line to people,
// beside their resources, and nobody can act on it. What matters is in an error or in a line of ours. With
// PULUMI_BUILDKIT_DEBUG=1 it is shown, for a report. The standard logger needs nothing: Pulumi's SDK has taken it over.
func quietLibraries() {
	logrus.SetOutput(io.Discard)
	if os.Getenv("PULUMI_BUILDKIT_DEBUG") != "" {
		logrus.SetOutput(shown{os.Stderr})
	}
}

// shown writes messages of libraries, which have texts of others in them, as they may be shown.
type shown struct{ to io.Writer }

// Write writes one message.
func (s shown) Write(message []byte) (int, error) {
	_, err := io.WriteString(s.to, foreign.Text(string(message)))
	return len(message), err
}

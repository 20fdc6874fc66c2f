package main

import (
	"io"
	"os"

	"github.com/sirupsen/logrus"
)

// quietLibraries keeps what BuildKit's packages log for themselves off stderr: the engine shows each such line to people,
// beside their resources, and nobody can act on it. What matters is in an error or in a line of ours. With
// PULUMI_BUILDKIT_DEBUG=1 it is shown, for a report. The standard logger needs nothing: Pulumi's SDK has taken it over.
func quietLibraries() {
	if os.Getenv("PULUMI_BUILDKIT_DEBUG") == "" {
		logrus.SetOutput(io.Discard)
	}
}

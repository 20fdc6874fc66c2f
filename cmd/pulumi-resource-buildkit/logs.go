package main

import (
	"flag"
	"io"
	"os"
	"strconv"

	"github.com/sirupsen/logrus"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/foreign"
)

// quietLibraries drops what BuildKit's packages log. With PULUMI_BUILDKIT_DEBUG=1 it writes it to stderr, for a report.
//
// The engine shows each line of stderr to people, beside their resources, and nobody can act on these lines. What
// matters is in an error or in a line of ours. The standard logger needs nothing: Pulumi's SDK has taken it over.
func quietLibraries() {
	logrus.SetOutput(io.Discard)
	if os.Getenv("PULUMI_BUILDKIT_DEBUG") != "" {
		logrus.SetOutput(cleanWriter{os.Stderr})
	}
}

// verboseLimit is the level from which on Pulumi's SDK logs each property that comes and goes, secrets in plain text.
const verboseLimit = 9

// keepSecrets keeps Pulumi's SDK in this process from logging and tracing what the engine sends.
//
// With --logflow the engine passes its -v on, and with --tracing its tracer, which gets whole requests. What the engine
// itself logs and traces is not ours.
func keepSecrets() error {
	if level := flag.Lookup("v"); level != nil {
		level.Value = limitedLevel{level.Value}
	}
	return os.Setenv("PULUMI_TRACING_NO_PAYLOADS", "true")
}

// limitedLevel is the value of the flag -v, below verboseLimit.
type limitedLevel struct{ flag.Value }

// Set implements flag.Value.
func (l limitedLevel) Set(text string) error {
	if level, err := strconv.Atoi(text); err == nil {
		text = strconv.Itoa(min(level, verboseLimit-1))
	}
	return l.Value.Set(text)
}

// cleanWriter writes messages of libraries as they may be shown, because they contain texts of others.
type cleanWriter struct{ to io.Writer }

// Write writes one message.
func (s cleanWriter) Write(message []byte) (int, error) {
	_, err := io.WriteString(s.to, foreign.Text(string(message)))
	return len(message), err
}

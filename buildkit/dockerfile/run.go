package dockerfile

import (
	"bytes"
	"context"

	"github.com/moby/buildkit/frontend/dockerfile/builder"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
)

// Source is what the frontend works on.
type Source struct {
	Name   string // of the Dockerfile, as errors show it
	Text   []byte // of the Dockerfile; nil when only the daemon has it
	Ignore []byte // the ignore file that the frontend compiles
	Dry    bool   // true when the gateway answers at once
}

// Run runs the Dockerfile frontend on a gateway and returns its result.
//
// It returns a *SizeError when the Dockerfile is too long to be parsed, and a *BudgetError when the frontend takes more
// memory or time than it may. It returns a *CrashError when the child process ended unexpectedly, and the cause of ctx
// when that ended. Other errors are those of the frontend or the gateway.
func Run(ctx context.Context, c gateway.Client, s Source) (*gateway.Result, error) {
	if isForwarded(s, c.BuildOpts().Opts) {
		return builder.Build(ctx, c)
	}
	if err := s.CheckSize(); err != nil {
		return nil, err
	}
	c = &warningLimiter{Client: c}
	if s.Text != nil && boundOf(s, c.BuildOpts()).isSmall() {
		here := &ordinaryBases{Client: c, dry: s.Dry}
		result, err := builder.Build(ctx, here)
		if !here.hasRefused() {
			return result, err
		}
	}
	return runChild(ctx, c, s)
}

// isForwarded tells whether the frontend does nothing but have another one do the work, on the daemon.
func isForwarded(s Source, options map[string]string) bool {
	if _, ok := options["cmdline"]; ok { // the syntax that this program serves itself
		return false
	}
	_, hasArg := options["build-arg:BUILDKIT_SYNTAX"]
	_, _, _, hasLine := parser.DetectSyntax(s.Text)
	return s.Text != nil && (hasArg || hasLine)
}

// CheckSize returns a *SizeError when the Dockerfile is too long to be parsed in this process.
func (s Source) CheckSize() error {
	if lines := bytes.Count(s.Text, []byte("\n")); len(s.Text) > sizeLimit || lines > lineLimit {
		return &SizeError{Name: s.Name, Bytes: len(s.Text), Lines: lines}
	}
	return nil
}

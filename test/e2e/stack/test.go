//go:build linux

package stack

import (
	"context"
	"os"
	"testing"
	"time"
)

// Test is a Stack whose commands fail the test if they cannot be run. The test itself judges their results.
type Test struct {
	*Stack
	t testing.TB
}

// New opens a stack for the test and closes it with the test. Closing fails the test if a process of the stack outlives
// its last command.
func New(t testing.TB, c Config) *Test {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT RUN: the embedded daemon needs root; run the tests as root to see this one")
	}
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeoutCause(context.Background(), 2*time.Minute, nil)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return &Test{Stack: s, t: t}
}

// Preview runs pulumi preview.
func (s *Test) Preview(args ...string) Result {
	s.t.Helper()
	return s.pulumi(append([]string{"preview", "--non-interactive", "--stack", "dev"}, args...))
}

// Up runs pulumi up without questions.
func (s *Test) Up(args ...string) Result {
	s.t.Helper()
	return s.pulumi(append([]string{"up", "--yes", "--non-interactive", "--stack", "dev"}, args...))
}

// Refresh runs pulumi refresh without questions.
func (s *Test) Refresh(args ...string) Result {
	s.t.Helper()
	return s.pulumi(append([]string{"refresh", "--yes", "--non-interactive", "--stack", "dev"}, args...))
}

// Destroy runs pulumi destroy without questions.
func (s *Test) Destroy(args ...string) Result {
	s.t.Helper()
	return s.pulumi(append([]string{"destroy", "--yes", "--non-interactive", "--stack", "dev"}, args...))
}

// Export returns the resources in the state, without the stack and the providers.
func (s *Test) Export() []Resource {
	s.t.Helper()
	resources, err := s.Stack.Export()
	if err != nil {
		s.t.Fatal(err)
	}
	return resources
}

// StartUp starts pulumi up, for tests that end it in the middle. The end of the test interrupts it.
func (s *Test) StartUp(args ...string) *Process {
	s.t.Helper()
	p, err := s.Start(s.t.Context(), append([]string{"up", "--yes", "--non-interactive", "--stack", "dev"}, args...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *Test) pulumi(args []string) Result {
	s.t.Helper()
	result, err := s.Run(s.t.Context(), args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return result
}

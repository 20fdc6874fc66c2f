//go:build linux

package reliability

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// readFinished returns the lines of the cases that an earlier run has finished without a violation.
func readFinished(t *testing.T) map[string]bool {
	t.Helper()
	done := map[string]bool{}
	if *finished == "" {
		return done
	}
	text, err := os.ReadFile(*finished)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		c, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
		done[c] = true
	}
	return done
}

// openLog opens the file of finished cases, or returns nil.
func openLog(t *testing.T) *os.File {
	t.Helper()
	if *finished == "" {
		return nil
	}
	log, err := os.OpenFile(*finished, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	return log
}

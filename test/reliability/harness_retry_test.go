//go:build linux

package reliability

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// recordedTest is a test that records what is logged, and whether it failed.
type recordedTest struct {
	testing.TB
	log    string
	failed bool
}

// Logf implements testing.TB.
func (t *recordedTest) Logf(format string, args ...any) { t.log += fmt.Sprintf(format, args...) + "\n" }

// Errorf implements testing.TB.
func (t *recordedTest) Errorf(format string, args ...any) {
	t.failed = true
	t.Logf(format, args...)
}

// newRecordedHarness returns a harness of a recorded test.
func newRecordedHarness(t *testing.T) (*harness, *recordedTest) {
	recorded := &recordedTest{TB: t}
	return &harness{t: recorded, tallies: map[batchName]*tally{}}, recorded
}

// A try that fails is logged and counted, although a later one succeeds. A promise that is broken without a fault also
// fails the test.
func TestNoFailedTryIsDropped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		failed bool
		table  string
	}{
		"harness": {
			err: errors.New("no memory is left"), table: "The harness failed in 0, and in 1 tries.",
		},
		"promise": {
			err:    fmt.Errorf("a scenario: %w", &quietError{scenario: "create", broken: []string{"no tag moved"}}),
			failed: true, table: "Promises were broken without a fault in 1 tries.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, recorded := newRecordedHarness(t)
			w, calls := &worker{harness: h}, 0
			err := w.try(batchName{plainEngine, "create"}, func(context.Context) error {
				if calls++; calls == 1 {
					return c.err
				}
				return nil
			})
			if err != nil || calls != 2 || recorded.failed != c.failed {
				t.Errorf("%d calls: %v, failed: %t", calls, err, recorded.failed)
			}
			if !strings.Contains(recorded.log, c.err.Error()) || !strings.Contains(h.table(), c.table) {
				t.Errorf("the log is %q, the table %s", recorded.log, h.table())
			}
		})
	}
}

// After the limit no scenario is prepared, and the table names those that were not counted.
func TestNoScenarioIsPreparedAfterTheLimit(t *testing.T) {
	t.Parallel()
	h, recorded := newRecordedHarness(t)
	h.end = time.Now().Add(-time.Second)
	h.work([]batch{
		{kind: plainEngine, scenario: "create"},
		{kind: realCLI, scenario: "update", cases: []testCase{{scenario: "update"}}},
	})
	if recorded.failed || recorded.log != "" {
		t.Errorf("it logged %q", recorded.log)
	}
	want := `Scenarios that were not counted: ["engine create" "cli update"].`
	if table := h.table(); !strings.Contains(table, want) {
		t.Errorf("the table is %s", table)
	}
}

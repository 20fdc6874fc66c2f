//go:build linux

package reliability

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// batchName names the cases of one scenario in worlds of one kind.
type batchName struct {
	kind     kind
	scenario string
}

func (b batch) batchName() batchName { return batchName{b.kind, b.scenario} }

// tally counts the cases of one name.
type tally struct {
	events   int // of an undisturbed run
	cases    int // all of them
	finished int // by an earlier run
	count    int // of this run
	missed   int // there was nothing for the fault to meet
	survived int // the command succeeded in spite of the fault
	broke    int // a promise is broken
	failed   int // the harness failed in all tries
	retried  int // the harness failed in one try
	quiet    int // a promise is broken without a fault, in one try
	unbegun  int // batches that did not begin before the limit
}

// add adds the counts of another tally.
func (n *tally) add(other tally) {
	n.events += other.events
	n.cases += other.cases
	n.finished += other.finished
	n.count += other.count
	n.missed += other.missed
	n.survived += other.survived
	n.broke += other.broke
	n.failed += other.failed
	n.retried += other.retried
	n.quiet += other.quiet
	n.unbegun += other.unbegun
}

// tallyOf returns the tally of a name.
func (h *harness) tallyOf(name batchName) *tally {
	if h.tallies[name] == nil {
		h.tallies[name] = &tally{}
	}
	return h.tallies[name]
}

// total returns the sum of all tallies.
func (h *harness) total() (sum tally) {
	for _, n := range h.tallies {
		sum.add(*n)
	}
	return sum
}

// noteCases counts the events and the cases of a name, and those that an earlier run has finished.
func (h *harness) noteCases(name batchName, events, cases, finished int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.tallyOf(name)
	n.events, n.cases, n.finished = events, cases, finished
}

// noteUnbegun counts a batch that did not begin before the limit.
func (h *harness) noteUnbegun(b batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tallyOf(b.batchName()).unbegun++
}

// noteFailure counts and logs a try that failed. A broken promise without a fault fails the test.
func (h *harness) noteFailure(name batchName, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.tallyOf(name)
	if errors.As(err, new(*quietError)) {
		n.quiet++
		h.t.Errorf("%s: %v", name.kind, err)
		return
	}
	n.retried++
	h.t.Logf("%s %s: the harness failed in one try: %v", name.kind, name.scenario, err)
}

// reportFailure reports that the harness could not run cases.
func (h *harness) reportFailure(name batchName, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tallyOf(name).failed++
	h.t.Errorf("%s %s: the harness failed: %v", name.kind, name.scenario, err)
}

// report counts the result of a case, and reports a violation. It logs the case as finished unless there is a violation
// or the fault met nothing.
func (h *harness) report(name batchName, c testCase, r result, err error) {
	if err != nil {
		h.reportFailure(name, fmt.Errorf("%s: %w", c, err))
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.tallyOf(name)
	n.count++
	switch {
	case len(r.broken) > 0:
		n.broke++
		h.t.Errorf("%s, at %s, number %d: %s\nRun it again with -replay %q", c.scenario, r.hit, c.at,
			strings.Join(r.broken, "\n  "), c.String())
		return
	case r.hit == "": // it is not finished: the next run tries it again
		n.missed++
		h.t.Logf("%s: there was nothing for it to meet", c)
		return
	case r.survived:
		n.survived++
	}
	if h.log != nil {
		_, _ = fmt.Fprintf(h.log, "%s\t%s\t%s\n", c, r.took.Round(time.Millisecond), r.outcome())
	}
}

// summarize logs the table of the tallies, and writes it beside the file of finished cases. It fails the test if more
// than one case of a kind, and more than a tenth of all that ran now and before, met nothing: such a run shows less
// than it seems to. It fails a sample without a case of each kind.
func (h *harness) summarize() {
	table := h.table()
	h.t.Log(table)
	if *finished != "" {
		if err := os.WriteFile(*finished+".md", []byte(table), 0o600); err != nil {
			h.t.Error(err)
		}
	}
	for _, k := range kinds {
		var n tally
		for _, s := range scenarios {
			n.add(*h.tallyOf(batchName{k, s.name}))
		}
		if most := max(1, (n.finished+n.count)/10); n.missed > most {
			h.t.Errorf("%s: in %d cases there was nothing for the fault to meet, want %d at most", k, n.missed, most)
		}
		if isSample := !*whole && *kindsOf+*names+*only == ""; isSample && n.count == 0 {
			h.t.Errorf("%s: no case is in the sample", k)
		}
	}
}

// eventNames says what fails in worlds of each kind.
var eventNames = map[kind]string{
	plainEngine: "requests, *k*", realCLI: "requests, `kill -9` of the Pulumi CLI", messageFaults: "messages, *n*",
	fileFaults: "file operations, *m*",
}

// table returns what ran, as docs/reliability.md has it. A scenario without a case has no line.
func (h *harness) table() string {
	var b strings.Builder
	b.WriteString("\n| what fails | scenario | events | cases | finished | of them now | violations | missed |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|\n")
	line := func(what, scenario string, n tally) {
		now := n.count - n.missed - n.broke
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %d | %d | %d |\n", what, scenario, n.events, n.cases,
			n.finished+now, now, n.broke, n.missed)
	}
	for _, k := range kinds {
		what := eventNames[k]
		for _, s := range scenarios {
			if n := *h.tallyOf(batchName{k, s.name}); n.cases > 0 {
				line(what, s.name, n)
				what = ""
			}
		}
	}
	sum := h.total()
	line("all", "", sum)
	if h.isOver() {
		fmt.Fprintf(&b, "\nThe run was stopped after %s. %s\n", *limit, h.unbegun())
	}
	fmt.Fprintf(&b, "\nThe command survived the fault in %d of %d cases. The harness failed in %d, and in %d tries. "+
		"Promises were broken without a fault in %d tries.\n",
		sum.survived, sum.count, sum.failed, sum.retried, sum.quiet)
	return b.String()
}

// unbegun says which scenarios have cases that did not begin, and which were not even counted.
func (h *harness) unbegun() string {
	var partly, uncounted []string
	for _, k := range kinds {
		for _, s := range scenarios {
			name := string(k) + " " + s.name
			switch n := h.tallyOf(batchName{k, s.name}); {
			case n.unbegun > 0 && n.cases > 0:
				partly = append(partly, name)
			case n.unbegun > 0:
				uncounted = append(uncounted, name)
			}
		}
	}
	return fmt.Sprintf("Scenarios with cases that did not begin: %q. Scenarios that were not counted: %q.", partly,
		uncounted)
}

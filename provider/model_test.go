package provider

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// The model test makes random steps with two images of one program, a real registry and real builds. A step is what a
// user does, what somebody else does to the registry, or a failure. After each step the test compares the state, the
// tags and the previews with the model's rules.
//
// If a rule breaks, the test searches for fewer steps that break it and prints them. -replay runs them again.
//
//	go test ./provider -run TestModel -steps 5000 -seed 7
//	go test ./provider -run TestModel -replay "tag:0:3 up refresh" -v
var (
	stepCount = flag.Int("steps", 300, "how many steps the model test makes")
	seed      = flag.Uint64("seed", 1, "the first seed; the same seed gives the same steps")
	replay    = flag.String("replay", "", "steps for the model test instead of random ones")
)

// stepsPerModel is the number of steps that one model makes.
const stepsPerModel = 60

// step is an action with its arguments.
type step struct {
	action   action
	image, n int
}

func (s step) String() string { return fmt.Sprintf("%s:%d:%d", s.action.name, s.image, s.n) }

func TestModel(t *testing.T) {
	t.Parallel()
	both := endpoints(t)
	if *replay != "" {
		runAndShrink(t, both, parseSteps(t, *replay), "the replay")
		return
	}
	for begun := 0; begun < *stepCount; begun += stepsPerModel {
		number := *seed + uint64(begun/stepsPerModel)
		t.Run(fmt.Sprint("seed ", number), func(t *testing.T) {
			t.Parallel()
			steps := randomSteps(number, min(stepsPerModel, *stepCount-begun))
			runAndShrink(t, both, steps, fmt.Sprint("seed ", number))
		})
	}
}

// runAndShrink runs steps. If they break a rule, it fails the test with fewer steps that break the same rule.
func runAndShrink(t *testing.T, endpoints [2]string, steps []step, name string) {
	t.Helper()
	_, at, err := runSteps(t.Context(), endpoints, steps)
	if err == nil {
		t.Logf("%s: %d steps", name, len(steps))
		return
	}
	steps = shrink(t.Context(), endpoints, steps[:at+1], err)
	log, _, again := runSteps(t.Context(), endpoints, steps)
	if again == nil {
		t.Fatalf("%s: %v\nIt did not happen again with -replay %q", name, err, formatSteps(steps))
	}
	t.Fatalf("%s: %v\n%s\nRun it again with -replay %q", name, again, strings.Join(log, "\n"), formatSteps(steps))
}

// runSteps runs steps in a new model. It returns the log and, if a rule broke, the index of the step and the violation.
func runSteps(ctx context.Context, endpoints [2]string, steps []step) (log []string, at int, err error) {
	var m *model
	if err := catchViolation(func() { m = newModel(ctx, endpoints) }); err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	for i, s := range steps {
		if err := catchViolation(func() { m.runStep(s) }); err != nil {
			return m.log, i, err
		}
	}
	return m.log, len(steps), nil
}

// catchViolation calls do and returns the violation that it panics with, or nil.
func catchViolation(do func()) (err error) {
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case *violation:
			err = cause
		default:
			panic(cause)
		}
	}()
	do()
	return nil
}

func (m *model) runStep(s step) {
	m.logf("%v", s)
	if s.action.name != "up" {
		m.previewed = nil // a preview predicts only an up that follows at once
	}
	s.action.do(m, s.image, s.n)
	m.checkState()
}

// allActions lists every action.
var allActions = slices.Concat(userActions, failureActions, commandActions)

// randomSteps returns random steps. A command follows each failure, because the failure hits that command.
func randomSteps(seed uint64, length int) []step {
	random := rand.New(rand.NewPCG(seed, 0))
	steps, next := make([]step, length), allActions
	for i := range steps {
		steps[i] = step{pick(next, random), random.IntN(len(model{}.program)), random.IntN(1000)}
		next = allActions
		if slices.ContainsFunc(failureActions, func(a action) bool { return a.name == steps[i].action.name }) {
			next = commandActions
		}
	}
	return steps
}

// pick returns a random action. The probability of each is proportional to its weight.
func pick(from []action, random *rand.Rand) action {
	total := 0
	for _, a := range from {
		total += a.weight
	}
	at := random.IntN(total)
	for _, a := range from {
		if at -= a.weight; at < 0 {
			return a
		}
	}
	panic("the weights of some actions are below zero")
}

// shrinkLimit bounds the time of shrink.
const shrinkLimit = 90 * time.Second

// shrink removes steps that are not needed to break the same rule: first long runs of steps, then single ones.
func shrink(ctx context.Context, endpoints [2]string, steps []step, cause error) []step {
	deadline := time.Now().Add(shrinkLimit)
	for size := len(steps) / 2; size > 0; size /= 2 {
		for from := 0; from+size <= len(steps) && time.Now().Before(deadline); {
			shorter := slices.Delete(slices.Clone(steps), from, from+size)
			if _, at, err := runSteps(ctx, endpoints, shorter); sameRule(err, cause) {
				steps = shorter[:at+1]
			} else {
				from += size
			}
		}
	}
	return steps
}

func sameRule(a, b error) bool {
	var one, other *violation
	return errors.As(a, &one) && errors.As(b, &other) && one.rule == other.rule
}

// formatSteps returns steps as one line for -replay.
func formatSteps(steps []step) string {
	words := make([]string, len(steps))
	for i, s := range steps {
		words[i] = s.String()
	}
	return strings.Join(words, " ")
}

// parseSteps parses a line of formatSteps. A step without arguments has zeros.
func parseSteps(t *testing.T, line string) []step {
	t.Helper()
	var steps []step
	for word := range strings.FieldsSeq(line) {
		name, choices, _ := strings.Cut(word, ":")
		i := slices.IndexFunc(allActions, func(a action) bool { return a.name == name })
		if i < 0 {
			t.Fatalf("-replay: no step is called %q", name)
		}
		s := step{action: allActions[i]}
		_, _ = fmt.Sscanf(choices, "%d:%d", &s.image, &s.n)
		steps = append(steps, s)
	}
	return steps
}

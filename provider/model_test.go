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

// The model test does what users, other people and bad luck do, in random order, to two images of one program, with a real
// registry and real builds, and holds every state, every tag and every preview against what must be true.
//
// A failure prints the steps that led to it, as few as could be found; -replay runs them again.
//
//	go test ./provider -run TestModel -steps 5000 -seed 7
//	go test ./provider -run TestModel -replay "tag:0:3 up refresh" -v
var (
	steps  = flag.Int("steps", 300, "how many steps the model test makes")
	seed   = flag.Uint64("seed", 1, "where the model test begins; the same seed is the same steps")
	replay = flag.String("replay", "", "steps for the model test instead of random ones")
)

// chapter is how many steps are made in one world.
const chapter = 60

// step is an action with its choices.
type step struct {
	action   action
	image, n int
}

func (s step) String() string { return fmt.Sprintf("%s:%d:%d", s.action.name, s.image, s.n) }

func TestModel(t *testing.T) {
	t.Parallel()
	both := endpoints(t)
	if *replay != "" {
		tell(t, both, parsed(t, *replay), "the replay")
		return
	}
	for begun := 0; begun < *steps; begun += chapter {
		number := *seed + uint64(begun/chapter)
		t.Run(fmt.Sprint("seed ", number), func(t *testing.T) {
			t.Parallel()
			story := invent(number, min(chapter, *steps-begun))
			tell(t, both, story, fmt.Sprint("seed ", number))
		})
	}
}

// tell runs a story and, when it breaks a rule, tells a shorter one that breaks the same.
func tell(t *testing.T, endpoints [2]string, story []step, name string) {
	t.Helper()
	_, at, err := execute(t.Context(), endpoints, story)
	if err == nil {
		t.Logf("%s: %d steps", name, len(story))
		return
	}
	story = shrunk(t.Context(), endpoints, story[:at+1], err)
	log, _, again := execute(t.Context(), endpoints, story)
	if again == nil {
		t.Fatalf("%s: %v\nIt did not happen again with -replay %q", name, err, told(story))
	}
	t.Fatalf("%s: %v\n%s\nRun it again with -replay %q", name, again, strings.Join(log, "\n"), told(story))
}

// execute runs a story in a new world. It returns what happened, and the step at which a rule was broken, and how.
func execute(ctx context.Context, endpoints [2]string, story []step) (log []string, at int, err error) {
	var w *world
	if err := caught(func() { w = newWorld(ctx, endpoints) }); err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	for i, s := range story {
		if err := caught(func() { w.do(s) }); err != nil {
			return w.log, i, err
		}
	}
	return w.log, len(story), nil
}

// caught is the rule that do breaks, if any.
func caught(do func()) (err error) {
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

func (w *world) do(s step) {
	w.note("%v", s)
	if s.action.name != "up" {
		w.shown = nil // what a preview told is of the up that follows at once
	}
	s.action.do(w, s.image, s.n)
	w.honest()
}

// actions are all that can happen.
var actions = slices.Concat(changes, troubles, runs)

// invent makes a story. A trouble is followed by a run.
func invent(seed uint64, length int) []step {
	random := rand.New(rand.NewPCG(seed, 0))
	story, next := make([]step, length), actions
	for i := range story {
		story[i] = step{pick(next, random), random.IntN(len(world{}.wishes)), random.IntN(1000)}
		next = actions
		if slices.ContainsFunc(troubles, func(a action) bool { return a.name == story[i].action.name }) {
			next = runs
		}
	}
	return story
}

// pick takes an action, each as often as its weight says.
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

// shrinkLimit bounds the search for a shorter story.
const shrinkLimit = 90 * time.Second

// shrunk leaves out of a story what its end does not need: first long pieces, then single steps.
func shrunk(ctx context.Context, endpoints [2]string, story []step, cause error) []step {
	deadline := time.Now().Add(shrinkLimit)
	for size := len(story) / 2; size > 0; size /= 2 {
		for from := 0; from+size <= len(story) && time.Now().Before(deadline); {
			shorter := slices.Delete(slices.Clone(story), from, from+size)
			if _, at, err := execute(ctx, endpoints, shorter); sameRule(err, cause) {
				story = shorter[:at+1]
			} else {
				from += size
			}
		}
	}
	return story
}

func sameRule(a, b error) bool {
	var one, other *violation
	return errors.As(a, &one) && errors.As(b, &other) && one.rule == other.rule
}

// told is a story in one line.
func told(story []step) string {
	words := make([]string, len(story))
	for i, s := range story {
		words[i] = s.String()
	}
	return strings.Join(words, " ")
}

// parsed is the story of a line. A step without choices has zeros.
func parsed(t *testing.T, line string) []step {
	t.Helper()
	var story []step
	for word := range strings.FieldsSeq(line) {
		name, choices, _ := strings.Cut(word, ":")
		i := slices.IndexFunc(actions, func(a action) bool { return a.name == name })
		if i < 0 {
			t.Fatalf("-replay: no step is called %q", name)
		}
		s := step{action: actions[i]}
		_, _ = fmt.Sscanf(choices, "%d:%d", &s.image, &s.n)
		story = append(story, s)
	}
	return story
}

package provider

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A node is asked once, also by images that start at the same time, and a failure is asked for again after one.
func TestNodesAreAskedOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	c := candidate{name: "a", connect: func(context.Context) (builder, error) {
		asked.Add(1)
		<-time.After(50 * time.Millisecond)
		return builder{}, errors.New("refused")
	}}
	f := &builderFinder{
		answers: &nodeAnswers{}, log: slog.New(slog.DiscardHandler), begin: func(string) func() { return func() {} },
	}
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			if _, absent := f.measure(t.Context(), []candidate{c}); len(absent) != 1 {
				t.Errorf("absent: %v", absent)
			}
		})
	}
	group.Wait()
	f.answers.forget("b")
	f.measure(t.Context(), []candidate{c})
	f.answers.forget("a")
	f.measure(t.Context(), []candidate{c})
	if asked.Load() != 2 {
		t.Errorf("asked %d times, want 2", asked.Load())
	}
}

// answeredNodes returns a finder of builders whose nodes have answered an hour ago, and these nodes. A node in gone
// refuses connections now. connections counts those to each node.
func answeredNodes(gone string, nodes ...measured) (f *builderFinder, all []candidate, connections []atomic.Int32) {
	f = &builderFinder{
		answers: &nodeAnswers{}, log: slog.New(slog.DiscardHandler), begin: func(string) func() { return func() {} },
		platforms: []string{"linux/amd64", "linux/arm64"}, sayOnce: func(string) {}, warnOnce: func(string) {},
	}
	connections = make([]atomic.Int32, len(nodes))
	for i, m := range nodes {
		m.connect = func(context.Context) (builder, error) {
			if connections[i].Add(1); strings.Contains(gone, m.name) {
				return builder{}, errors.New("refused")
			}
			return builder{endpoint: "tcp://" + m.name + ":1", release: func() {}}, nil
		}
		answer := f.answers.of(m.name)
		answer.served, answer.at, answer.until = m.served, time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		all = append(all, m.candidate)
	}
	return f, all, connections
}

// Nodes have ended since they answered. The others are not asked again, and take their work.
func TestOnlyLostNodesAreAskedAgain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		gone, want string
		asked      []int32
	}{
		{"b", "c", []int32{2, 2, 1, 0}}, // a was connected to before b failed
		{"bc", "d", []int32{3, 2, 2, 1}},
	} {
		f, all, connections := answeredNodes(test.gone, candidateWith("a", x86), candidateWith("b", arm),
			candidateWith("c", arm), candidateWith("d", arm))
		nodes, err := f.spread(t.Context(), all, "the test names them")
		if err != nil {
			t.Errorf("without %s: %v", test.gone, err)
			continue
		}
		if len(nodes) != 2 || nodes[0].candidateName != "a" || nodes[1].candidateName != test.want {
			t.Errorf("without %s the image is built on %v", test.gone, nodes)
		}
		for i, want := range test.asked {
			if got := connections[i].Load(); got != want {
				t.Errorf("without %s: %d connections to %s, want %d", test.gone, got, all[i].name, want)
			}
		}
	}
	f, all, _ := answeredNodes("bcd", candidateWith("a", x86), candidateWith("b", arm), candidateWith("c", arm))
	f.platforms = []string{"linux/arm64"}
	if nodes, err := f.spread(t.Context(), all, "the test names them"); err != nil || nodes[0].candidateName != "a" {
		t.Errorf("without all that have it natively the image is built on %v: %v", nodes, err)
	}
}

// After a loss, old answers count no more. Fresh ones do, so that many images that lose a node ask the others once. So
// does an answer that a node was absent.
func TestOldAnswersAreForgotten(t *testing.T) {
	t.Parallel()
	f, all, connections := answeredNodes("ac",
		candidateWith("a", x86), candidateWith("b", arm), candidateWith("c", arm))
	f.answers.of("b").at = time.Now()
	f.answers.of("c").err = errors.New("refused")
	for range 3 {
		f.answers.forgetOld(lossAge)
		_, _ = f.measure(t.Context(), all)
	}
	for i, want := range []int32{1, 0, 0} {
		if got := connections[i].Load(); got != want {
			t.Errorf("%d connections to %s, want %d", got, all[i].name, want)
		}
	}
}

// An image does not wait for the answer that another image waits for, once its own update has been canceled.
func TestWaitingForANodeEndsWithTheImage(t *testing.T) {
	t.Parallel()
	asking, canceled := make(chan struct{}), errors.New("canceled")
	c := candidate{name: "a", connect: func(ctx context.Context) (builder, error) {
		close(asking)
		<-ctx.Done()
		return builder{}, ctx.Err()
	}}
	answer := (&nodeAnswers{}).of("a")
	first, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { _, _ = answer.ask(first, c) })
	<-asking
	second, cancel := context.WithCancelCause(t.Context())
	cancel(canceled)
	if _, err := answer.ask(second, c); !errors.Is(err, canceled) {
		t.Errorf("got %v, want %v", err, canceled)
	}
	stop()
	group.Wait()
	if answer.until != (time.Time{}) {
		t.Error("an interrupted question counts as an answer")
	}
}

// Each entry of builders is one builder: a buildx builder of several nodes is an error that says what to write.
func TestABuilderOfSeveralNodesIsNoNode(t *testing.T) {
	store := t.TempDir()
	t.Setenv("BUILDX_CONFIG", store)
	text := `{"Name":"pair","Driver":"remote","Nodes":[{"Name":"a","Endpoint":"unix:///a.sock"},
		{"Name":"b","Endpoint":"unix:///b.sock"}]}`
	err := errors.Join(os.Mkdir(filepath.Join(store, "instances"), 0o700),
		os.WriteFile(filepath.Join(store, "instances", "pair"), []byte(text), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	pair := "pair"
	f := &builderFinder{
		config:  Config{Builders: []BuilderNode{{Name: &pair}, {Name: &pair}}},
		answers: &nodeAnswers{}, log: slog.New(slog.DiscardHandler), begin: func(string) func() { return func() {} },
		platforms: []string{"linux/amd64"},
	}
	_, err = f.find(t.Context())
	want := "the buildx builder pair has 2 nodes, and each of builders is one. Write the endpoints of its nodes, or " +
		"name it in builder.name of the image"
	if err == nil || !strings.Contains(explainBuilder(err).Error(), want) {
		t.Errorf("got %v", err)
	}
}

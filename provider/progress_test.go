package provider

import (
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

func TestStatusLine(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	slow := buildkit.Step{Platform: "linux/arm64", Position: "build 2/3", Command: "RUN  go\n build ."}
	pr := &progress{running: map[buildkit.Step]runningStep{}}
	if got := pr.statusLine(now); got != "" {
		t.Errorf("nothing runs, but %q is shown", got)
	}
	pr.note = "pushing to a.io/b: 429; trying again in 20s"
	if got := pr.statusLine(now); got != pr.note {
		t.Errorf("got %q", got)
	}
	pr.running[slow] = runningStep{since: now.Add(-12300 * time.Millisecond)}
	if got := pr.statusLine(now); got != "linux/arm64 [build 2/3] 12s RUN go build ." {
		t.Errorf("got %q", got)
	}
	pr.report(buildkit.Event{Kind: buildkit.Moved, Step: slow, Text: "transferring 12MB"})
	if got := pr.statusLine(now); got != "linux/arm64 [build 2/3] 12s transferring 12MB" {
		t.Errorf("got %q", got)
	}
	pr.report(buildkit.Event{Kind: buildkit.Moved, Step: slow})
	pr.running[buildkit.Step{Command: "load build context"}] = runningStep{since: now}
	if got := pr.statusLine(now); got != "linux/arm64 [build 2/3] 12s (+1) RUN go build ." {
		t.Errorf("got %q", got)
	}
}

func TestFinishedLine(t *testing.T) {
	t.Parallel()
	step := buildkit.Step{Platform: "linux/amd64", Position: "1/2", Command: "RUN make"}
	cases := map[string]buildkit.Event{
		"linux/amd64 [1/2] 3.4s RUN make":   {Step: step, Elapsed: 3400 * time.Millisecond},
		"linux/amd64 [1/2] cached RUN make": {Step: step, Cached: true},
		"0.1s exporting to image": {
			Step: buildkit.Step{Command: "exporting to image"}, Elapsed: 100 * time.Millisecond,
		},
	}
	for want, event := range cases {
		if got := finishedLine(event); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	long := stepLine(buildkit.Step{Position: "1/1", Command: "RUN " + strings.Repeat("ü", 500)}, "1s")
	if n := len([]rune(long)); n != statusWidth {
		t.Errorf("a line of %d characters, want %d", n, statusWidth)
	}
}

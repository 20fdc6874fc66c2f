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
	pr := &progress{running: map[buildkit.Step]time.Time{}}
	if got := pr.status(now); got != "" {
		t.Errorf("nothing runs, but %q is shown", got)
	}
	pr.running[slow] = now.Add(-12300 * time.Millisecond)
	if got := pr.status(now); got != "linux/arm64 [build 2/3] RUN go build . (12s)" {
		t.Errorf("got %q", got)
	}
	pr.running[buildkit.Step{Command: "load build context"}] = now
	if got := pr.status(now); !strings.HasSuffix(got, "(12s) and 1 more") {
		t.Errorf("got %q", got)
	}
}

func TestFinishedLine(t *testing.T) {
	t.Parallel()
	step := buildkit.Step{Platform: "linux/amd64", Position: "1/2", Command: "RUN make"}
	cases := map[string]buildkit.Event{
		"linux/amd64 [1/2] RUN make: 3.4s":   {Step: step, Elapsed: 3400 * time.Millisecond},
		"linux/amd64 [1/2] RUN make: cached": {Step: step, Cached: true},
		"exporting to image: 0.1s":           {Step: buildkit.Step{Command: "exporting to image"}, Elapsed: 100 * time.Millisecond},
	}
	for want, event := range cases {
		if got := finished(event); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	long := title(buildkit.Step{Position: "1/1", Command: "RUN " + strings.Repeat("ü", 500)})
	if n := len([]rune(long)); n != statusWidth {
		t.Errorf("a line of %d characters, want %d", n, statusWidth)
	}
}

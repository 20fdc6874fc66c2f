package buildkit

import (
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
)

func TestParseStep(t *testing.T) {
	t.Parallel()
	cases := map[string]Step{
		"[linux/arm64 build 2/3] RUN make":                {"linux/arm64", "build 2/3", "RUN make"},
		"[linux/amd64->arm64 build  2/12] RUN go build .": {"linux/amd64->arm64", "build 2/12", "RUN go build ."},
		"[linux/arm/v7 1/2] FROM docker.io/library/a":     {"linux/arm/v7", "1/2", "FROM docker.io/library/a"},
		"[stage-1 2/2] COPY --from=build /a /b":           {"", "stage-1 2/2", "COPY --from=build /a /b"},
		"[2/2] RUN <<EOF\ntrue\nEOF":                      {"", "2/2", "RUN <<EOF\ntrue\nEOF"},
		"[ 7/14] RUN true":                                {"", "7/14", "RUN true"},
		"[  7/114] RUN true":                              {"", "7/114", "RUN true"},
		"[linux/arm64  7/14] RUN true":                    {"linux/arm64", "7/14", "RUN true"},
		"[internal] load build context":                   {"", "", "load build context"},
		"exporting to image":                              {"", "", "exporting to image"},
		"[auth] app:pull,push token for registry":         {"", "", "[auth] app:pull,push token for registry"},
	}
	for name, want := range cases {
		if got := parseStep(name); got != want {
			t.Errorf("%q: got %+v, want %+v", name, got, want)
		}
	}
}

func TestReportStatus(t *testing.T) {
	t.Parallel()
	var moves []string
	s := newStepTracker(&stepPlatforms{}, &redaction{}, newLog(nil, nil), func(e Event) {
		if e.Kind == Moved {
			moves = append(moves, e.Step.Command+": "+e.Text)
		}
	})
	status, now := make(chan *client.SolveStatus, 1), time.Now()
	status <- &client.SolveStatus{
		Vertexes: []*client.Vertex{
			{Digest: "sha256:1", Name: "[internal] load build context", Started: &now},
			{Digest: "sha256:2", Name: "exporting to image", Started: &now},
		},
		Statuses: []*client.VertexStatus{
			{Vertex: "sha256:1", ID: "transferring context:", Current: 3 << 20},
			{Vertex: "sha256:1", ID: "sha256:abc", Current: 1},
			{Vertex: "sha256:1", ID: "transferring context:", Completed: &now},
			{Vertex: "sha256:2", ID: "pushing manifest for a.io/b@sha256:1"},
		},
	}
	close(status)
	s.follow(status)
	want := "load build context: transferring context 3MiB|load build context: |" +
		"exporting to image: pushing manifest for a.io/b@sha256:1"
	if got := strings.Join(moves, "|"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOutputTailMatchesATerminal(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		written []string
		want    string
	}{
		"lines in pieces":  {[]string{"on", "e\ntw", "o\n", "three"}, "one|two|three"},
		"blank lines":      {[]string{"a\n\n  \nb\n"}, "a|b"},
		"colors":           {[]string{"\x1b[31mred\x1b[0m \x1b]0;title\x07done\n"}, "red \x1b]0;title\x07done"},
		"carriage returns": {[]string{"10%\r50%\r100%\r\n"}, "100%"},
		"a progress bar": {
			[]string{strings.Repeat("\rprogress 12%", 300), "\rfatal: disk full\n"}, "fatal: disk full",
		},
		"binary": {[]string{"a\x00\x01b\xff\n"}, "a\x00\x01b\xff"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out outputTail
			for _, w := range c.written {
				out.write([]byte(w))
			}
			if got := strings.Join(out.lastLines(), "|"); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestOutputTailIsBounded(t *testing.T) {
	t.Parallel()
	var out outputTail
	for range 1000 {
		out.write([]byte(strings.Repeat("x", 100_000)))
	}
	if kept := cap(out.partial); kept > 2*maxLineBytes {
		t.Errorf("a line without end keeps %d bytes", kept)
	}
	for range 1000 {
		out.write([]byte("\nline"))
	}
	if got := out.lastLines(); len(got) != maxOutputLines {
		t.Errorf("%d lines, want %d", len(got), maxOutputLines)
	}
}

package provider

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

var (
	stoppedStep   = buildkit.Step{Platform: "linux/arm64", Position: "3/7", Command: "RUN npm ci"}
	stoppedUpdate = &limitError{limit: 10 * time.Minute, input: "customTimeouts.update"}
)

const stoppedDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// TestWaitsOfAStoppedOperation checks that a wait that ends because the operation was stopped stays recorded, and that
// a later wait is not recorded.
func TestWaitsOfAStoppedOperation(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	w := newWaits(ctx)
	w.begin("waiting for what is over")()
	end := w.begin("waiting for a friend")
	cancel()
	end()
	w.begin("waiting for the train")
	w.enter("cleaning up")
	got := w.explain(ctx.Err(), "").Error()
	if !strings.HasPrefix(got, "canceled after ") || !strings.Contains(got, ": it was waiting for a friend "+
		"for ") || strings.Contains(got, " and ") {
		t.Error(got)
	}
}

// TestOutcomes checks the text about the tags of a stopped operation.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	a, b := registryTag(t, "ghcr.io/a/b:1"), registryTag(t, "ghcr.io/a/b:2")
	cases := map[string]struct {
		tags    string
		pushed  bool
		applied applyResult
		err     error
		want    string
	}{
		"nothing to push": {tags: `[]`, want: ""},
		"before the push": {tags: `["ghcr.io/a/b:1"]`, want: "nothing was pushed and no tag moved"},
		"in the push": {
			tags: `["ghcr.io/a/b:1"]`, pushed: true, want: "a part of the image may have been pushed, and no tag moved",
		},
		"after the push": {
			tags: `["ghcr.io/a/b:1"]`, pushed: true, applied: applyResult{digest: "sha256:"},
			want: "the image was pushed and no tag moved",
		},
		"an image of before": {
			tags: `["ghcr.io/a/b:1"]`, applied: applyResult{digest: "sha256:"}, want: "nothing was pushed and no tag " +
				"moved",
		},
		"one of two tags": {
			tags: `["ghcr.io/a/b:1", "ghcr.io/a/b:2"]`, applied: applyResult{digest: "sha256:",
				tags: []registry.Tag{a}},
			want: "moved: ghcr.io/a/b:1; not moved: ghcr.io/a/b:2",
		},
		"one of two, the other unsure": {
			tags: `["ghcr.io/a/b:1", "ghcr.io/a/b:2"]`, applied: applyResult{
				digest: "sha256:", tags: []registry.Tag{b},
			}, err: fault.ErrUnsure,
			want: "moved: ghcr.io/a/b:2; whether these moved is not known: ghcr.io/a/b:1",
		},
		"unsure": {
			tags: `["ghcr.io/a/b:1"]`, err: fault.ErrUnsure, want: "whether these moved is not known: ghcr.io/a/b:1",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inputs := props(t, `{"contextHash": "`+strings.Repeat("0", 64)+`", "tags": `+c.tags+`}`)
			op := operationOf(t, urn, inputs, state{})
			if c.pushed {
				op.waits.notePush()
			}
			if got := c.applied.outcome(op, c.err); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func registryTag(t *testing.T, ref string) registry.Tag {
	t.Helper()
	tag, err := registry.ParseTag(ref)
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

package provider

import (
	"context"
	"errors"
	"fmt"
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

// stoppedSentences are operations that were stopped, with the sentence about each.
var stoppedSentences = map[string]struct {
	cause error
	stage string
	build []buildkit.Wait // of which each began 10 s after the one before
	calls []registry.Wait
	err   error // beside the cause
	want  string
}{
	"a step": {
		cause: stoppedUpdate, stage: stageBuilding, build: []buildkit.Wait{{Step: stoppedStep}},
		want: "stopped after 10m0s (customTimeouts.update): it was running step [3/7] RUN npm ci (linux/arm64) for " +
			"9m50s; OUTCOME. Raise customTimeouts.update if it only needs more time",
	},
	"many steps": {
		cause: context.Canceled,
		build: []buildkit.Wait{
			{
				Step: stoppedStep,
			}, {
				Step: buildkit.Step{Position: "2/2", Command: "RUN a\nb"},
			}, {Step: buildkit.Step{Command: "load .dockerignore"}},
			{Step: stoppedStep}, {Step: stoppedStep},
		},
		want: "canceled after 10m0s: it was running step [3/7] RUN npm ci (linux/arm64) for 9m50s, running step " +
			"[2/2] RUN a b for 9m40s, running the builder's step load .dockerignore for 9m30s and 2 more; OUTCOME",
	},
	"a layer that is pulled": {
		cause: context.Canceled,
		build: []buildkit.Wait{{
			Phase: buildkit.FetchingSource, What: "base image ghcr.io/a/b@" + stoppedDigest, Host: "ghcr.io",
			Detail: stoppedDigest, Bytes: 3 << 20, Total: 20 << 20,
		}},
		want: "canceled after 10m0s: it was fetching base image ghcr.io/a/b@sha256:0123456789ab… from ghcr.io " +
			"(layer sha256:0123456789ab… 3MiB of 20MiB) for 9m50s; OUTCOME",
	},
	"a base image that is asked for": {
		cause: context.Canceled, build: []buildkit.Wait{
			{Phase: buildkit.ResolvingImage, What: "ghcr.io/a/b:1", Host: "ghcr.io"},
		},
		want: "canceled after 10m0s: it was asking ghcr.io for the base image ghcr.io/a/b:1 for 9m50s; OUTCOME",
	},
	"a context": {
		cause: context.Canceled, build: []buildkit.Wait{
			{Phase: buildkit.SendingFiles, What: "../app", Detail: "transferring context", Bytes: 12 << 20},
		},
		want: "canceled after 10m0s: it was sending ../app to the builder (12MiB arrived) for 9m50s; OUTCOME",
	},
	"caches": {
		cause: context.Canceled,
		build: []buildkit.Wait{
			{
				Phase: buildkit.ImportingCache, What: "ghcr.io/a/c",
			}, {Phase: buildkit.ExportingCache, What: "ghcr.io/a/d"},
		},
		want: "canceled after 10m0s: it was importing the cache ghcr.io/a/c for 9m50s and exporting the cache to " +
			"ghcr.io/a/d for 9m40s; OUTCOME",
	},
	"a push": {
		cause: context.Canceled,
		build: []buildkit.Wait{
			{
				Phase: buildkit.PushingLayers, What: "ghcr.io/a/b",
			}, {Phase: buildkit.PushingManifest, What: "ghcr.io/a/b"},
		},
		want: "canceled after 10m0s: it was pushing layers to ghcr.io/a/b for 9m50s and pushing the manifest to " +
			"ghcr.io/a/b for 9m40s; OUTCOME",
	},
	"files": {
		cause: context.Canceled, build: []buildkit.Wait{
			{Phase: buildkit.Exporting, What: "out", Detail: "copying files", Bytes: 1 << 20},
		},
		want: "canceled after 10m0s: it was exporting files to out (copying files 1MiB) for 9m50s; OUTCOME",
	},
	"a tag": {
		cause: &limitError{limit: 5 * time.Minute, input: "pushTimeout"}, stage: "moving tags",
		calls: []registry.Wait{{Host: "ghcr.io", Request: "PUT /v2/a/b/manifests/1"}},
		want: "stopped after 5m0s (pushTimeout): it was moving tags, waiting for ghcr.io to answer PUT " +
			"/v2/a/b/manifests/1 for 10m0s; OUTCOME. Raise pushTimeout if it only needs more time",
	},
	"a token server": {
		cause: &limitError{
			limit: 20 * time.Second,
		}, calls: []registry.Wait{{Host: "auth.example", Registry: "ghcr.io", Request: "GET"}},
		want: "stopped after 20s, which is all that registries are given here: it was waiting for auth.example to " +
			"answer GET, for ghcr.io for 10m0s; OUTCOME",
	},
	"logins": {
		cause: context.Canceled,
		calls: []registry.Wait{
			{
				Kind: registry.WaitCloud, Host: "gcr.io",
			}, {Kind: registry.WaitHelper, Host: "ghcr.io", Helper: "docker-credential-pass"},
		},
		want: "canceled after 10m0s: it was waiting for docker-credential-pass to give the login for ghcr.io for " +
			"10m0s and waiting for the login of the cloud for gcr.io for 10m0s; OUTCOME",
	},
	"a pause": {
		cause: context.Canceled,
		calls: []registry.Wait{{
			Kind: registry.WaitPause, Host: "ghcr.io", Pause: time.Hour, Failure: errors.New(
				"429 rate limited\x1b[2J:\nslow down"),
		}},
		want: "canceled after 10m0s: it was waiting to ask ghcr.io again for 10m0s of 1h0m0s, because: 429 rate " +
			"limited: slow down; OUTCOME",
	},
	"nothing known": {
		cause: context.Canceled, stage: "deleting tags", want: "canceled after 10m0s: it was deleting tags; OUTCOME",
	},
	"an error of another kind": {
		cause: stoppedUpdate, stage: "deleting tags", err: errors.New("429 rate limited (tried 3 times)"),
		want: "stopped after 10m0s (customTimeouts.update): it was deleting tags; OUTCOME; the last error was: 429 " +
			"rate limited (tried 3 times). Raise customTimeouts.update if it only needs more time",
	},
	"a daemon that is gone": {
		build: []buildkit.Wait{{Step: stoppedStep}}, err: errors.New("error reading from server: EOF"),
		want: "error reading from server: EOF. The build was running step [3/7] RUN npm ci (linux/arm64) for 9m50s; " +
			"OUTCOME",
	},
	"an operation that failed by itself": {err: errors.New("no such file"), want: "no such file"},
}

// TestStoppedSentences holds the sentences of operations that were stopped.
func TestStoppedSentences(t *testing.T) {
	t.Parallel()
	for name, c := range stoppedSentences {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			w := newWaits(ctx)
			w.enter(c.stage)
			for _, call := range c.calls {
				w.beginRegistryWait(call)
			}
			end := time.Now()
			w.began = end.Add(-10 * time.Minute)
			for one := range w.open {
				one.since = w.began
			}
			if c.cause != nil {
				cancel(c.cause)
				w.ended = end
			}
			cancel(nil)
			err := c.err
			if err == nil {
				err = fmt.Errorf("pushing: %w", c.cause)
			}
			for i := range c.build {
				c.build[i].Since = w.began.Add(time.Duration(i+1) * 10 * time.Second)
			}
			if c.cause == nil {
				w = newWaits(t.Context())
			}
			if c.build != nil {
				err = &buildkit.StoppedError{Waits: c.build, Cause: err}
			}
			got := w.explain(err, "OUTCOME")
			if got.Error() != c.want || !errors.Is(got, err) {
				t.Errorf("got  %v\nwant %v", got, c.want)
			}
		})
	}
}

// TestWaitsFreeze holds that what ends because an operation was stopped is what it waited for, and what begins later is
// not.
func TestWaitsFreeze(t *testing.T) {
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

// TestOutcomes holds what is said of the tags of an operation that was stopped.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	a, b := registryTag(t, "ghcr.io/a/b:1"), registryTag(t, "ghcr.io/a/b:2")
	cases := map[string]struct {
		tags    string
		pushed  bool
		applied applied
		err     error
		want    string
	}{
		"nothing to push": {tags: `[]`, want: ""},
		"before the push": {tags: `["ghcr.io/a/b:1"]`, want: "nothing was pushed and no tag moved"},
		"in the push": {
			tags: `["ghcr.io/a/b:1"]`, pushed: true, want: "a part of the image may have been pushed, and no tag moved",
		},
		"after the push": {
			tags: `["ghcr.io/a/b:1"]`, pushed: true, applied: applied{digest: "sha256:"},
			want: "the image was pushed and no tag moved",
		},
		"an image of before": {
			tags: `["ghcr.io/a/b:1"]`, applied: applied{digest: "sha256:"}, want: "nothing was pushed and no tag moved",
		},
		"one of two tags": {
			tags: `["ghcr.io/a/b:1", "ghcr.io/a/b:2"]`, applied: applied{digest: "sha256:", tags: []registry.Tag{a}},
			want: "moved: ghcr.io/a/b:1; not moved: ghcr.io/a/b:2",
		},
		"one of two, the other unsure": {
			tags: `["ghcr.io/a/b:1", "ghcr.io/a/b:2"]`, applied: applied{
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
			op, err := newOperation(t.Context(), urn,
				props(t, `{"contextHash": "`+strings.Repeat("0", 64)+`", "tags": `+c.tags+`}`), state{})
			if err != nil {
				t.Fatal(err)
			}
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

package provider

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// stoppedSentences are stopped operations, with the expected error of each.
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

// TestStoppedSentences checks the errors of stopped operations.
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

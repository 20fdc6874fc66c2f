package provider

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// indexCanary is the password of these tests.
const indexCanary = "index-canary"

// indexFaults are faults of the registry of an index. The update succeeds in spite of those without an expected error.
var indexFaults = map[string]struct {
	rule registrytest.Rule
	deny string
	want []string // in the error
}{
	"429 to POST":           {rule: rule(http.MethodPost, uploads, 3, tooManyRequests)},
	"429 to PUT of a blob":  {rule: rule(http.MethodPut, uploads, 3, tooManyRequests)},
	"429 to PUT of a tag":   {rule: rule(http.MethodPut, byTag, 3, tooManyRequests)},
	"429 with Retry-After":  {rule: rule(http.MethodPut, byTag, 1, tooManyRequestsRetryAfter)},
	"500 to reading back":   {rule: rule(http.MethodGet, byDigest, 3, internalError)},
	"reset in a blob":       {rule: rule(http.MethodPut, uploads, 2, registrytest.Reset(20))},
	"reset after the tag":   {rule: rule(http.MethodPut, byTag, 1, registrytest.ResetAnswer(0))},
	"403 expired to a blob": {rule: rule(http.MethodPut, uploads, 1, expiredToken)},
	"403 expired to a tag":  {rule: rule(http.MethodPut, byTag, 1, expiredToken)},
	"429 for ever": {
		rule: rule(http.MethodPut, byTag, 0, tooManyRequests),
		want: []string{"tagging HOST/app:1: 429 rate limited: Rate exceeded (tried ", "; wait some minutes and try"},
	},
	"a manifest is lost": {
		rule: rule(http.MethodPut, byDigest, 0, registrytest.Lose), want: []string{"reading it back: not found"},
	},
	"the tag is lost": {
		rule: rule(http.MethodPut, byTag, 0, registrytest.Lose),
		want: []string{"tagging HOST/app:1: content mismatch: it holds "},
	},
	"another digest is read": {
		rule: rule(http.MethodGet, byDigest, 0, registrytest.Digest(zeros)),
		want: []string{"content mismatch: the registry calls "},
	},
	"no upload": {
		deny: "ecr:InitiateLayerUpload", want: []string{"to HOST/app: layer sha256:", "allow ecr:InitiateLayerUpload"},
	},
	"no manifests": {deny: "ecr:PutImage", want: []string{"403 denied: ", "allow ecr:PutImage in the IAM policy"}},
	"the registry's disk is full": {
		rule: rule(http.MethodPut, uploads, 0, registrytest.Status(http.StatusInternalServerError, "UNKNOWN",
			"write x: no space left on device", "")),
		want: []string{"the registry has no space left"},
	},
	"413 of a proxy": {
		rule: rule(http.MethodPut, uploads, 0, proxyError(http.StatusRequestEntityTooLarge)),
		want: []string{"layer sha256:", "413 too large", "nginx: client_max_body_size 0"},
	},
}

func rule(method, path string, times int, fault registrytest.Fault) registrytest.Rule {
	return registrytest.Rule{Method: method, Path: path, Times: times, Fault: fault}
}

// An update succeeds in spite of a fault, or its error has a remedy. After an error the tag holds the old index. No
// message shows a token or a key.
func TestIndexFaults(t *testing.T) {
	t.Parallel()
	for name, test := range indexFaults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := registrytest.NewECR(t)
			target.Repository("app", "")
			old := target.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
			settings := &settings{registry: registry.Options{
				Timeout: 20 * time.Second, RetryWaits: slices.Repeat([]time.Duration{10 * time.Millisecond}, 8),
			}}
			source := registrytest.New(t, registrytest.Login("u", indexCanary))
			e := &indexEngine{here: target.Registry, there: source, urn: indexURN}
			e.wire = dial(t, newProvider(settings), `{"ecr": {"endpoint": "`+target.Endpoint()+`",
				"region": "eu-west-1", "hosts": ["`+target.Host()+`"]}}`)
			e.there.Push(t, "arm:1", registrytest.Image(t, "linux/arm64"))
			if test.deny != "" {
				target.Deny(test.deny)
			} else {
				target.Inject(test.rule)
			}
			err := e.up(t, e.expand(`{"tag": "HERE/app:1", "sources": ["THERE/arm:1"],
				"registry": {"address": "THERE", "username": "u", "password": "`+indexCanary+`"}}`))
			faultyRegistry{ECR: target, wire: e.wire, old: old}.checkResult(t, name, e.outputs, err, test.want)
			if strings.Contains(e.logText(), indexCanary) || err != nil && strings.Contains(err.Error(), indexCanary) {
				t.Errorf("the password is in %v or in %s", err, e.logText())
			}
		})
	}
}

// An immutable tag that holds another index stops the update before anything is copied.
func TestIndexWithAnImmutableTag(t *testing.T) {
	t.Parallel()
	target := registrytest.NewECR(t)
	target.Repository("app", "IMMUTABLE")
	target.Push(t, "app:1", registrytest.Image(t, "linux/amd64"))
	e := &indexEngine{here: target.Registry, there: registrytest.New(t), urn: indexURN}
	e.wire = dial(t, newFastProvider(), `{"ecr": {"endpoint": "`+target.Endpoint()+`",
		"region": "eu-west-1", "hosts": ["`+target.Host()+`"]}}`)
	e.there.Push(t, "arm:1", registrytest.Image(t, "linux/arm64"))
	before := len(target.Requests())
	program := `{"tag": "HERE/app:1", "sources": ["THERE/arm:1"]}`
	if _, err := e.preview(t, program); err != nil || !strings.Contains(e.logText(), "the update will fail: tag ") {
		t.Errorf("the preview: %v, %s", err, e.logText())
	}
	err := e.up(t, program)
	if err == nil || !strings.Contains(e.shorten(err.Error()), "tag HERE/app:1: immutable tag: it holds sha256:") {
		t.Errorf("got %v", err)
	}
	for _, r := range target.Requests()[before:] {
		if r.Method == http.MethodPut || r.Method == http.MethodPost && strings.HasPrefix(r.Path, "/v2/") {
			t.Errorf("it sent %v", r)
		}
	}
}

// A canceled update ends at once, and says what it was doing and that the tag did not move.
func TestIndexIsCanceled(t *testing.T) {
	t.Parallel()
	e := newJoinedEngine(t)
	reached := make(chan bool, 1)
	e.here.Inject(registrytest.Rule{Method: http.MethodPut, Path: "/manifests/", Fault: func(
		w http.ResponseWriter, req *http.Request, next http.Handler,
	) {
		reached <- true
		registrytest.Stall(w, req, next)
	}})
	checked, _ := e.check(t, strings.ReplaceAll(joined, "app:1", "app:2"))
	checked = checked.Set("annotations", props(t, `{"x": {"a": "b"}}`).Get("x"))
	done := make(chan error, 1)
	go func() {
		_, err := e.Update(context.WithoutCancel(t.Context()), &pulumirpc.UpdateRequest{
			Id: "app", Urn: e.urn, Olds: marshalProperties(t, e.outputs), News: marshalProperties(t, checked),
		})
		done <- err
	}()
	<-reached
	began := time.Now()
	if _, err := e.Cancel(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	err := <-done
	if err == nil || time.Since(began) > 15*time.Second || !strings.Contains(err.Error(), "canceled after") ||
		!strings.Contains(err.Error(), "the tag did not move") {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
	if got := e.holds(t, "app:2"); got != "" {
		t.Errorf("the tag holds %s", got)
	}
}

// customTimeouts bound an update.
func TestIndexTimesOut(t *testing.T) {
	t.Parallel()
	e := newJoinedEngine(t)
	e.there.Inject(rule(http.MethodGet, "/v2/arm/manifests/sha256:", 0, registrytest.Stall))
	checked, _ := e.check(t, joined)
	_, err := e.Create(t.Context(), &pulumirpc.CreateRequest{
		Urn: e.urn, Properties: marshalProperties(t, checked), Timeout: 0.3,
	})
	if err == nil || !strings.Contains(err.Error(), "stopped after 300ms (customTimeouts.create)") {
		t.Errorf("got %v", err)
	}
}

// Nobody moves a tag for an engine that is gone.
func TestIndexWithoutAnEngine(t *testing.T) {
	t.Parallel()
	e := newJoinedEngine(t)
	settings := &settings{engineAlive: func() bool { return false }}
	orphan := e.withState(t, newProvider(settings))
	err := orphan.up(t, strings.ReplaceAll(joined, "app:1", "app:2"))
	if err == nil || !strings.Contains(err.Error(), "the engine that asked for this is gone: no tag was moved") {
		t.Errorf("got %v", err)
	}
}

// If nobody knows whether the tag moved, the state stays as it was and the engine updates again.
func TestIndexWithALostAnswer(t *testing.T) {
	t.Parallel()
	e := newJoinedEngine(t)
	before := e.outputs
	e.there.Push(t, "arm:1", registrytest.Image(t, "linux/arm64"))
	e.here.Inject(rule("", "/v2/app/manifests/1", 0, internalError))
	checked, _ := e.check(t, joined)
	res, err := e.Update(t.Context(), &pulumirpc.UpdateRequest{
		Id: "app", Urn: e.urn, Olds: marshalProperties(t, before), News: marshalProperties(t, checked),
	})
	if err == nil || res != nil || !strings.Contains(err.Error(), "whether it moved is not known") &&
		!errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v", res, err)
	}
}

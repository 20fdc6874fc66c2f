package provider

import (
	"net/http"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// Delete removes the tag as long as it is ours, and no image.
func TestIndexDelete(t *testing.T) {
	t.Parallel()
	e := newJoinedEngine(t)
	later := e.withState(t, newFastProvider())
	digest := text(e.outputs, "digest")
	if err := e.destroy(t); err != nil || e.holds(t, "app:1") != digest {
		t.Errorf("a tag that this run has moved is gone: %v", err)
	}
	for range 2 { // the second time it is gone already
		if err := later.destroy(t); err != nil {
			t.Fatal(err)
		}
		if got := e.holds(t, "app:1"); got != "" {
			t.Errorf("the tag still holds %s", got)
		}
	}
	if e.holds(t, "app:"+digest) != digest {
		t.Error("the index is gone, and not only its tag")
	}
}

func TestIndexDeleteReportsARefusal(t *testing.T) {
	t.Parallel()
	e := newJoinedEngine(t)
	later := e.withState(t, newFastProvider())
	e.here.Inject(registrytest.Rule{
		Method: http.MethodDelete, Fault: registrytest.Status(http.StatusForbidden, "DENIED", "no", ""),
	})
	err := later.destroy(t)
	if err == nil || !strings.Contains(e.shorten(err.Error()), "deleting HERE/app:1: 403 denied: no") ||
		!strings.Contains(err.Error(), "retainOnDelete: true") {
		t.Errorf("got %v", err)
	}
}

// Two stacks have the tag in turn. Each sees that the other has moved it, and removes only what is its own.
func TestIndexOfTwoStacks(t *testing.T) {
	t.Parallel()
	one := newJoinedEngine(t)
	two := one.withState(t, newFastProvider())
	two.inputs, two.outputs = property.Map{}, property.Map{}
	if err := two.up(t, `{"tag": "HERE/app:1", "sources": ["HERE/amd:1"]}`); err != nil {
		t.Fatal(err)
	}
	theirs := text(two.outputs, "digest")
	later := one.withState(t, newFastProvider())
	if err := later.destroy(t); err != nil || one.holds(t, "app:1") != theirs {
		t.Errorf("the other stack's tag is gone: %v", err)
	}
	if one.refresh(t) || !one.outputs.Get("tag").IsNull() {
		t.Errorf("got %v", one.outputs)
	}
}

// A new tag is an update, and the old one stays.
func TestIndexWithANewTag(t *testing.T) {
	t.Parallel()
	e := newJoinedEngine(t)
	digest := text(e.outputs, "digest")
	if err := e.up(t, strings.ReplaceAll(joined, "app:1", "app:2")); err != nil {
		t.Fatal(err)
	}
	if e.holds(t, "app:1") != digest || e.holds(t, "app:2") != digest {
		t.Errorf("the tags hold %s and %s", e.holds(t, "app:1"), e.holds(t, "app:2"))
	}
}

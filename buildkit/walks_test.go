package buildkit

import (
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// Whoever asks while a walk runs gets that one.
func TestARunningWalkIsShared(t *testing.T) {
	t.Parallel()
	var walks Walks
	made, first := walks.join("context")
	if !first {
		t.Fatal("somebody else is at it")
	}
	for range 50 {
		if shared, first := walks.join("context"); first || shared != made {
			t.Error("it is walked again beside the one that runs")
		}
	}
	made.tree = source.Files(nil)
	walks.finish("context", made)
	<-made.done
	if _, first := walks.join("context"); !first {
		t.Error("a finished walk is shared")
	}
}

// An image may depend on what another resource of the same run writes into the context.
func TestAWalkIsNotOlderThanTheQuestion(t *testing.T) {
	t.Parallel()
	var walks Walks
	files := project(t)
	plan := Plan{Files: files, WatchAll: true}
	if _, err := walks.Load(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	write(t, files.Context, map[string]string{"generated.go": "package main"})
	in, err := walks.Load(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	if in.Hash() != hashOf(t, files) {
		t.Error("the second image is built without generated.go")
	}
}

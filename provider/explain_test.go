package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// A preview names the files that changed since the last build that this machine knows.
func TestPreviewSaysWhatChanged(t *testing.T) {
	t.Parallel()
	r, dir := newImageResource(&settings{}), newBuildContext(t)
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	check := func() operation {
		t.Helper()
		res, err := r.Check(t.Context(), p.CheckRequest{
			Urn: urn, Inputs: props(t, `{"context": {"location": "`+dir+`"}}`),
		})
		if err != nil || len(res.Failures) > 0 {
			t.Fatal(err, res.Failures)
		}
		return operationOf(t, urn, res.Inputs, state{})
	}
	write("main.go", "one", 0o644)
	write("run.sh", "run", 0o644)
	write("old", "", 0o644)
	before := check()
	hash := *before.args.ContextHash
	inputs.UserHistory().Remember(hash, r.loader.fromCheck(before))

	write("main.go", "two", 0o644)
	write("run.sh", "run", 0o755)
	write("with space", "", 0o644)
	if err := os.Remove(filepath.Join(dir, "old")); err != nil {
		t.Fatal(err)
	}
	after := check()
	after.old = stateOf(property.NewMap(map[string]property.Value{"contextHash": property.New(hash)}))
	if got, want := describeChanges(r.loader.fromCheck(after), after), "contextHash changed: "+
		`modified main.go, removed old, mode run.sh, `+
		`added "with space"`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for i := range 20 {
		write(fmt.Sprintf("f%02d", i), "", 0o644)
	}
	many := check()
	many.old = after.old
	if got := describeChanges(r.loader.fromCheck(many), many); !strings.HasSuffix(got, "added f09 and 14 more") {
		t.Errorf("got %s", got)
	}
	unknown := check()
	unknown.old = stateOf(property.NewMap(map[string]property.Value{
		"contextHash": property.New(strings.Repeat("0", 64)),
	}))
	if got := describeChanges(r.loader.fromCheck(unknown), unknown); got != "" {
		t.Errorf("of a build that is not known here: %s", got)
	}
}

func TestSummarySaysWhereAContextIs(t *testing.T) {
	t.Parallel()
	got := formatChanges([]source.Change{
		{Kind: source.Modified, Path: "context.named.go", Detail: "a became b"}, {Kind: source.Unread, Path: "x y"},
	})
	if got != `modified context.named.go (a became b), no longer read "x y"` {
		t.Errorf("got %s", got)
	}
}

package provider

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// sharedTagText is the end of the failure of a tag of two images.
const sharedTagText = "is a tag of two images of this program, a and b, and would stand for the one that is pushed " +
	"last. Give each image a tag of its own"

// sharedTags holds the inputs of two images, and the failure of the second.
var sharedTags = map[string]struct{ a, b, want string }{
	"the same": {
		`"tags": ["ghcr.io/x/app:1"], "target": "one"`, `"tags": ["ghcr.io/x/app:1"]`,
		"tags[0]: ghcr.io/x/app:1 " + sharedTagText,
	},
	"the second": {
		`"tags": ["ghcr.io/x/app:1"], "target": "one"`, `"tags": ["ghcr.io/x/b:1", "ghcr.io/x/app:1"]`,
		"tags[1]: ghcr.io/x/app:1 " + sharedTagText,
	},
	"Docker Hub": {
		`"tags": ["docker.io/user/app:1"], "target": "one"`, `"tags": ["user/app:1"]`,
		"tags[0]: docker.io/user/app:1 " + sharedTagText,
	},
	"latest": {
		`"tags": ["user/app:latest"], "target": "one"`, `"tags": ["user/app"]`,
		"tags[0]: docker.io/user/app:latest " + sharedTagText,
	},
	"unknown contents": {
		`"tags": ["user/app:1"], "context": {"location": "?"}`, `"tags": ["user/app:1"]`,
		"tags[0]: docker.io/user/app:1 " + sharedTagText,
	},
	"another tag":   {`"tags": ["user/app:1"], "target": "one"`, `"tags": ["user/app:2"]`, ""},
	"unknown":       {`"tags": ["?"], "target": "one"`, `"tags": ["user/app:2", "?"]`, ""},
	"not pushed":    {`"tags": ["user/app:1"], "target": "one", "push": false`, `"tags": ["user/app:1"]`, ""},
	"push unknown":  {`"tags": ["user/app:1"], "target": "one", "push": "?"`, `"tags": ["user/app:1"]`, ""},
	"of the hash":   {`"tags": ["user/app:{hash}"]`, `"tags": ["user/app:{hash}"]`, ""},
	"of two hashes": {`"tags": ["user/app:{hash}"], "target": "one"`, `"tags": ["user/app:{hash}"]`, ""},
	"one image":     {`"tags": ["user/app:1"]`, `"tags": ["user/app:1"]`, ""},
}

// Two images of one program with the same tag are a mistake, unless they are the same image or one is not pushed.
func TestATagOfTwoImagesFails(t *testing.T) {
	t.Parallel()
	for name, c := range sharedTags {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t)
			check := func(urn, inputs string) string {
				t.Helper()
				text := `{"dockerfile": {"inline": "FROM scratch AS one\nFROM one\n"}, ` +
					`"context": {"location": "APP"}, ` + inputs + `}`
				given := props(t, strings.ReplaceAll(text, "APP", newBuildContext(t)))
				res, err := server.Check(p.CheckRequest{Urn: urnOf(urn), Inputs: given})
				if err != nil {
					t.Fatal(err)
				}
				var failures []string
				for _, f := range res.Failures {
					failures = append(failures, f.Property+": "+f.Reason)
				}
				return strings.Join(failures, "\n")
			}
			for range 2 { // a replacement checks twice
				if got := check("a", c.a); got != "" {
					t.Fatalf("a: %s", got)
				}
			}
			if got := check("b", c.b); got != c.want {
				t.Errorf("b: got %q\nwant %q", got, c.want)
			}
		})
	}
}

// In any order and in any process, the message names the same two images, and at least one of them reports it.
func TestUsesOfTwoProcesses(t *testing.T) {
	t.Parallel()
	for range 20 {
		dir := t.TempDir()
		found := make([][]sharedUse, 2)
		var both sync.WaitGroup
		for i, n := range []*notes{newProcessNotes("one", dir), newProcessNotes("one", dir)} {
			both.Go(func() {
				urn := urnOf(fmt.Sprintf("image%d", i))
				found[i] = n.noteUses(urn, string(urn), []use{
					{useTag, "host/app:1", "tags[0]"}, {useFile, fmt.Sprint("/", i), "exports[0]"},
				})
			})
		}
		both.Wait()
		if len(found[0])+len(found[1]) == 0 {
			t.Fatal("neither process reports the shared tag")
		}
		for i, common := range found {
			for _, s := range common {
				const want = "host/app:1 is a tag of two images of this program, image0 and image1, "
				if got := s.text(urnOf(fmt.Sprintf("image%d", i))); !strings.HasPrefix(got, want) {
					t.Errorf("got %s", got)
				}
			}
		}
	}
}

// An image may use a tag that another image no longer uses.
func TestUsesOfTheLastCheck(t *testing.T) {
	t.Parallel()
	n := newProcessNotes("", "")
	tag := []use{{useTag, "host/app:1", "tags[0]"}}
	n.noteUses(urnOf("a"), "a", tag)
	n.noteUses(urnOf("a"), "a", nil)
	if got := n.noteUses(urnOf("b"), "b", tag); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}

// A file or a cache that two images write gives a warning.
func TestWarningsOfSharedFilesAndCaches(t *testing.T) {
	t.Parallel()
	w := dial(t, newFastProvider(), `{}`)
	for _, name := range []string{"a", "b"} {
		given := `{"context": {"location": "` + newBuildContext(t) + `"}, "buildArgs": {"NAME": "` + name + `"},
			"exports": [{"tar": {"dest": "out.tar"}}, {"local": {"dest": "out"}}],
			"cacheTo": [{"inline": {}}, {"registry": {"ref": "user/cache"}},
				{"raw": "type=registry,ref=docker.io/user/cache:latest"}]}`
		res, err := w.Check(t.Context(), &pulumirpc.CheckRequest{
			Urn: string(urnOf(name)), News: marshalProperties(t, props(t, given)),
		})
		if err != nil || len(res.GetFailures()) > 0 {
			t.Fatal(err, res.GetFailures())
		}
	}
	const names = ": two images of this program, a and b, write the "
	for _, want := range []string{
		"exports[0]" + names + "file of exports ", "cacheTo[1]" + names + "cache docker.io/user/cache:latest",
		"cacheTo[2]" + names,
	} {
		if !strings.Contains(w.logText(), want) {
			t.Errorf("no warning says %q:\n%s", want, w.logText())
		}
	}
	if strings.Contains(w.logText(), "exports[1]") {
		t.Errorf("a folder may be shared:\n%s", w.logText())
	}
}

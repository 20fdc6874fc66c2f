package provider

import (
	"os"
	"path/filepath"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// An earlier version also hashed the files that COPY --exclude leaves out. Its hash stays in the inputs until a file
// changes.
func TestCheckKeepsTheHashOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	r, dir := newImageResource(&settings{}), newBuildContext(t)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	hash := func(state, more string) string {
		t.Helper()
		req := p.CheckRequest{Urn: urn, Inputs: props(t, `{"context": {"location": "`+dir+`"}`+more+`}`)}
		if state != "" {
			req.State = property.NewMap(map[string]property.Value{"contextHash": property.New(state)})
		}
		res, err := r.Check(t.Context(), req)
		if err != nil || len(res.Failures) > 0 {
			t.Fatal(err, res.Failures)
		}
		return text(res.Inputs, "contextHash")
	}
	write("Dockerfile", "FROM scratch\nCOPY --exclude=*.md . /\n")
	write("README.md", "one")
	earlier, now := hash("", `, "watch": "all"`), hash("", "")
	if got := hash(earlier, ""); got != earlier || now == earlier {
		t.Errorf("an upgrade makes %s of %s", got, earlier)
	}
	write("README.md", "two")
	if got := hash(earlier, ""); got != now {
		t.Errorf("after an edit: %s, want %s", got, now)
	}
	if got := hash(now, ""); got != now {
		t.Errorf("and then: %s, want %s", got, now)
	}
}

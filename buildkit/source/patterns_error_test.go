package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// Patterns that are tried on many files end with an error in bounded time. The time of ordinary patterns is not
// limited.
//
//nolint:paralleltest // it shortens the limit of all
func TestPatternsHaveABudget(t *testing.T) {
	before := judgeLimit
	judgeLimit = 200 * time.Millisecond
	t.Cleanup(func() { judgeLimit = before })
	files := map[string]string{}
	for i := range 2000 {
		files[fmt.Sprintf("d%d/a%db", i%20, i)] = ""
	}
	dir := writeTree(t, files)
	var many []string
	for i := range 5000 {
		many = append(many, fmt.Sprintf("**/a*%d*c", i))
	}
	intricate := []string{"**/" + strings.Repeat("*a", 200) + "c"}
	for name, patterns := range map[string][]string{"many": many, "intricate": intricate} {
		started := time.Now()
		_, err := Scan(t.Context(), dir, Scope{Excludes: patterns}, Options{})
		costly := new(patternsError)
		if name == "many" && (!errors.As(err, &costly) || costly.patterns != len(patterns) || costly.dir != dir) {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(started); took > time.Minute {
			t.Errorf("%s: %s", name, took)
		}
		if !(Scope{Excludes: patterns}).isCostly() {
			t.Errorf("%s: not costly", name)
		}
	}
	ordinary := Scope{Excludes: strings.Fields(strings.Repeat("**/node_modules *.log ", 100))}
	if ordinary.isCostly() {
		t.Error("ordinary patterns are costly")
	}
	if _, err := Scan(t.Context(), dir, Scope{Excludes: many[:100]}, Options{}); err != nil {
		t.Error(err)
	}
}

func TestFollowLinksEndsWithItsContext(t *testing.T) {
	t.Parallel()
	root, err := os.OpenRoot(writeTree(t, map[string]string{"a/b": ""}))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := FollowLinks(ctx, root, []string{"a/*"}); err == nil {
		t.Error("FollowLinks returned no error although its context was canceled")
	}
}

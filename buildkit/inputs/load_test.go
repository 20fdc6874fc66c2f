package inputs

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// The log says why whole contexts are hashed and whether a scan is shared, and quotes no file.
func TestLogOfSharedScans(t *testing.T) {
	t.Parallel()
	for dockerfile, reason := range map[string]string{
		"FROM scratch\nCOPY . /\n":                                    "",
		"# syntax=example.com/mine\nFROM s3cret\n":                    "the frontend example.com/mine would interpret",
		"FROM b\nCOPY $s3cret /\n":                                    readsDoubt,
		"FROM scratch\nCOPYY s3cret /\n":                              frontendDoubt,
		"FROM scratch\nARG A\nCOPY --exclude=*.md . /x/\nCOPY $A /y/": usesDoubt,
	} {
		var text bytes.Buffer
		log := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
		var scans SharedScans
		plan := Plan{Files: contextOf(t, nil), UnknownArgs: []string{"A"}, BuildArgs: map[string]string{"A": ""}}
		plan.Files.Inline = []byte(dockerfile)
		for range 2 {
			if _, err := scans.Load(t.Context(), plan, log); err != nil {
				t.Fatal(err)
			}
		}
		if got := text.String(); strings.Contains(got, "s3cret") || !strings.Contains(got, "no earlier scan") ||
			strings.Contains(got, "whole build contexts") != (reason != "") || !strings.Contains(got, reason) {
			t.Errorf("%q: got\n%s", dockerfile, got)
		}
	}
}

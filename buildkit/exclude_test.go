package buildkit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// A file that COPY excludes is sent too, in its current form. Otherwise an instruction that copies it later would find
// an older one at the daemon, because only its bytes have changed and the hash has not.
func TestExcludedFileIsNeverStale(t *testing.T) {
	t.Parallel()
	b, dir := newTestBuilder(t), t.TempDir()
	without := inlinePlan(dir, "FROM scratch\nCOPY --exclude=*.md . /x/")
	hashes := map[string]bool{}
	for _, content := range []string{"AAAA", "BBBB", "CCCC", "AAAA"} {
		writeAlike(t, dir, map[string]string{"README.md": content, "main.go": "main"})
		files, err := b.build(t.Context(), without)
		if err != nil || files["x/main.go"] == "" || files["x/README.md"] != "" {
			t.Fatalf("%v, %v", files, err)
		}
		b.wantContent(t, inlinePlan(dir, "FROM scratch\nCOPY . /x/"), map[string]string{"x/README.md": content})
		b.wantContent(
			t, inlinePlan(dir, "FROM scratch\nCOPY --exclude=*.go . /x/"), map[string]string{"x/README.md": content},
		)
		inputs, err := inputs.Load(t.Context(), without)
		must(err)
		hashes[inputs.Hash()] = true
	}
	if len(hashes) != 1 {
		t.Errorf("%d hashes of one image", len(hashes))
	}
}

// Builds with the same hash make the same image to the byte, even without the daemon's cache.
func TestOneHashIsOneImage(t *testing.T) {
	t.Parallel()
	b, dir, epoch := newTestBuilder(t), t.TempDir(), int64(1_600_000_000)
	plan := inlinePlan(dir, "FROM scratch\nCOPY --exclude=docs --exclude=!docs/man --exclude=**/*.md . /x/\n"+
		"COPY --exclude=*.md docs/man /man/\nADD --exclude=* docs /d/")
	plan.Epoch, plan.NoCache, plan.Repositories = &epoch, true, []string{b.repository}
	hash, digest := "", ""
	for i, left := range []map[string]string{
		{}, {"README.md": "one"}, {"README.md": "other", "docs/a.txt": "a", "src/x.md": "x"},
	} {
		writeAlike(t, dir, map[string]string{"src/main.go": "main", "docs/man/1": "page"})
		writeAlike(t, dir, left)
		inputs, err := inputs.Load(t.Context(), plan)
		must(err)
		built, err := buildkit.Solve(
			t.Context(), b.c, plan, inputs, buildkit.Access{Credentials: noCredentials}, func(buildkit.Event) {},
		)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && (inputs.Hash() != hash || built.Digest != digest) {
			t.Errorf("with %v: %s of %s, want %s of %s", left, built.Digest, inputs.Hash(), digest, hash)
		}
		hash, digest = inputs.Hash(), built.Digest
	}
}

// A build stops if an ONBUILD copies a file that the Dockerfile excludes. It does not stop if the ONBUILD excludes it
// too.
func TestOnBuildReadsNoExcludedFile(t *testing.T) {
	t.Parallel()
	b, dir := newTestBuilder(t), t.TempDir()
	writeAlike(t, dir, map[string]string{"main.go": "main", "README.md": "read"})
	for instruction, want := range map[string]string{
		"COPY . /y/":                "the build reads . of the build context",
		"COPY README.md /y/":        "the build reads README.md of the build context",
		"ADD --exclude=*.go . /y/":  "the build reads . of the build context",
		"COPY --exclude=*.md . /y/": "",
	} {
		plan := inlinePlan(dir, fmt.Sprintf("FROM %s\nCOPY --exclude=*.md . /x/", baseWithOnBuild(t, instruction)))
		_, err := b.build(t.Context(), plan)
		if (err == nil) != (want == "") ||
			err != nil && (!strings.HasPrefix(err.Error(), want) || !errors.As(err, new(*inputs.UnhashedError))) {
			t.Errorf("%s: got %v, want %q", instruction, err, want)
		}
		plan.WatchAll = true
		b.wantContent(t, plan, map[string]string{"x/main.go": "main"})
	}
}

//go:build linux

package e2e

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

const scratchImage = `
context: { location: . }
platforms: [linux/amd64, linux/arm64]
tags: ["REPO:1"]
`

// Only files that the Dockerfile reads count, and the preview names those that changed.
func TestUnreadFilesDoNotCount(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, scratchImage, map[string]string{
		"Dockerfile":  "FROM scratch\nARG TARGETARCH\nCOPY bin/$TARGETARCH /app\nCOPY etc /etc\n",
		"bin/amd64":   "amd64",
		"bin/arm64":   "arm64",
		"bin/riscv64": "riscv64",
		"etc/conf":    "1",
		"README.md":   "read me",
	}))
	succeeds(t, s.Up("--skip-preview"), "+ 2 created")
	must(t, s.Write("README.md", "changed"))
	must(t, s.Write("bin/riscv64", "changed"))
	succeeds(t, s.Up("--expect-no-changes"), "2 unchanged")
	must(t, s.Write("bin/arm64", "other"))
	must(t, s.Write("etc/new", ""))
	succeeds(t, s.Preview(), "contextHash changed: modified bin/arm64, added etc/new", "~ 1 to update")
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	succeeds(t, s.Destroy("--skip-preview"))
}

// The builder fetches a git repository or an archive as the context.
func TestRemoteContexts(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.FileServer(http.Dir(stack.RemoteSources(t))))
	t.Cleanup(site.Close) // after the parallel subtests
	for name, location := range map[string]string{"git": site.URL + "/repo.git#main",
		"archive": site.URL + "/app.tar.gz"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t,
				project(t, "context: { location: \""+location+"\" }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]",
					nil))
			succeeds(t, s.Up("--skip-preview"), "+ 2 created")
			if fetchManifest(t, repository(t)+":1") == nil {
				t.Error("nothing was pushed")
			}
			succeeds(t, s.Up("--expect-no-changes"))
			succeeds(t, s.Destroy("--skip-preview"))
		})
	}
}

// A relative location is that of a file in the remote context, also where this machine has such a file. Another file in
// there is another image.
func TestDockerfileInARemoteContext(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.FileServer(http.Dir(stack.RemoteSources(t))))
	t.Cleanup(site.Close)
	for name, location := range map[string]string{"git": site.URL + "/repo.git#main",
		"archive": site.URL + "/app.tar.gz"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			local := map[string]string{"app/Other": "FROM nothing.invalid/x\n"}
			s := open(t, project(t, "context: { location: \""+location+"\" }\n"+
				"dockerfile: { location: ./app/Other }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\n", local))
			succeeds(t, s.Up(), "+ 2 created",
				"the Dockerfile is app/Other of the remote context, not the file of that name on this machine")
			first := tagDigest(t, repository(t)+":1")
			succeeds(t, s.Up("--expect-no-changes"))
			changeProgram(t, s, "./app/Other", "Dockerfile")
			succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
			if second := tagDigest(t, repository(t)+":1"); second == first || second == "" {
				t.Errorf("both Dockerfiles gave %s", second)
			}
			changeProgram(t, s, "Dockerfile }", "missing }")
			fails(t, s.Preview(), "missing")
			succeeds(t, s.Destroy("--skip-preview"))
		})
	}
}

// With pull, a new commit on the branch gives a new image. Without it, only the URL counts.
func TestPullSeesANewCommit(t *testing.T) {
	t.Parallel()
	dir := stack.RemoteSources(t)
	site := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(site.Close)
	properties := "context: { location: \"" + site.URL +
		"/repo.git#main\" }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\n"
	plain, pulled := open(t, project(t, properties, nil)), open(t, project(t, properties+"pull: true\n", nil))
	succeeds(t, plain.Up("--skip-preview"))
	succeeds(t, pulled.Up("--skip-preview"))
	succeeds(t, pulled.Up("--expect-no-changes"))
	commitTo(t, filepath.Join(dir, "repo.git"))
	succeeds(t, plain.Up("--expect-no-changes"))
	succeeds(t, pulled.Up("--skip-preview"), "~ 1 updated")
	succeeds(t, pulled.Destroy("--skip-preview"))
}

// commitTo adds a commit to main of a bare repository.
func commitTo(t *testing.T, bare string) {
	t.Helper()
	script := `set -e; work=$(mktemp -d); git clone -q "$0" "$work"; cd "$work"; echo again >hello
		git -c user.name=t -c user.email=t@example.com commit -qam two; git push -q origin main
		git --git-dir="$0" update-server-info; rm -rf "$work"`
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", script, bare).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

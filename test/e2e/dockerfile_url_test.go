//go:build linux

package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// A Dockerfile at a URL is built and hashed as a file is: another text is a change, and what is not there an error.
func TestDockerfileAtAURL(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "app", "relay.Dockerfile")
	must(t, os.Mkdir(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte("FROM scratch\nCOPY file /\n"), 0o644))
	site := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(site.Close)
	s := open(t, project(t, "context: { location: . }\ndockerfile: { location: \""+site.URL+
		"/app/relay.Dockerfile\" }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\n", map[string]string{
		"file": "one", "unread": "", "relay.Dockerfile.dockerignore": "file", "Dockerfile": "FROM nothing.invalid/x\n",
	}))
	succeeds(t, s.Up(), "+ 2 created")
	first := tagDigest(t, repository(t)+":1")
	must(t, s.Write("unread", "changed"))
	succeeds(t, s.Up("--expect-no-changes"))
	must(t, os.WriteFile(path, []byte("FROM scratch\nCOPY file /other\n"), 0o644))
	succeeds(t, s.Preview(), "contextHash changed: modified dockerfile.location", "~ 1 to update")
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	if second := tagDigest(t, repository(t)+":1"); second == first || second == "" {
		t.Errorf("both texts gave %s", second)
	}
	must(t, os.Remove(path))
	fails(t, s.Preview(), "dockerfile.location", "the Dockerfile cannot be downloaded: "+site.URL+
		"/app/relay.Dockerfile: 404 Not Found. Check the URL.")
	site.Close()
	fails(t, s.Up("--skip-preview"), "connection refused. Check the URL, and that this machine reaches the host")
	const line = "type: buildkit:Image\n"
	changeProgram(t, s, line, line+"    options: { ignoreChanges: [contextHash] }\n")
	succeeds(t, s.Up("--expect-no-changes"))
	succeeds(t, s.Refresh("--expect-no-changes"))
	succeeds(t, s.Destroy("--skip-preview"))
}

// A Dockerfile at a URL and a git repository as the context, as the program of a relay server has them.
func TestDockerfileAtAURLWithARemoteContext(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.FileServer(http.Dir(stack.RemoteSources(t))))
	t.Cleanup(site.Close)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/Dockerfile", http.StatusMovedPermanently)
			return
		}
		_, _ = w.Write([]byte("FROM scratch\nCOPY hello /\nLABEL from=url\n"))
	}))
	t.Cleanup(other.Close)
	s := open(t, project(t, "context: { location: \""+site.URL+"/repo.git#main\" }\ndockerfile: { location: \""+
		other.URL+"/moved\" }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\n", nil))
	succeeds(t, s.Up(), "+ 2 created")
	pushed, err := fetchManifest(t, repository(t)+":1").Image()
	must(t, err)
	config, err := pushed.ConfigFile()
	must(t, err)
	if config.Config.Labels["from"] != "url" {
		t.Errorf("labels are %v: another Dockerfile was built", config.Config.Labels)
	}
	succeeds(t, s.Up("--expect-no-changes"))
	succeeds(t, s.Destroy("--skip-preview"))
}

package inputs

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPinFindsTheCommit: branches, tags, tags that are objects of their own, and full names, in a repository with more
// names than we read.
func TestPinFindsTheCommit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{
			"-C", dir, "-c", "user.name=t", "-c", "user.email=t@t",
		}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q", "-b", "main")
	git("commit", "-q", "--allow-empty", "-m", "one")
	one := git("rev-parse", "HEAD")
	git("tag", "light")
	git("tag", "-a", "-m", "v", "v1")
	git("branch", "feature/main")
	git("update-ref", "refs/pull/7/head", one)
	git("commit", "-q", "--allow-empty", "-m", "two")
	two := git("rev-parse", "HEAD")
	git("pack-refs", "--all")
	packed, err := os.OpenFile(filepath.Join(dir, ".git/packed-refs"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 25_000 { // 1.5 MB of them
		_, _ = fmt.Fprintf(packed, "%s refs/tags/zz%05d\n", one, i)
	}
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
	git("update-server-info")
	site := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(site.Close)
	for ref, want := range map[string]string{
		"main": two, "": two, "HEAD": two, "light": one, "v1": one, "feature/main": one, "refs/pull/7/head": one,
		"refs/heads/main": two, "refs/tags/v1": "",
		"head": "", "absent": "", "*": "", "7/head": "",
	} {
		got, err := lsRemote(t.Context(), site.URL+"/.git", ref)
		if ref == "refs/tags/v1" { // as it is written: the tag itself
			want = git("rev-parse", "v1")
		}
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %s, %v; want %s", ref, got, err, want)
		}
	}
}

// TestPinBoundsAGitServer: a server that names more branches than anybody has costs no memory.
func TestPinBoundsAGitServer(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/a.git/info/refs" {
			http.NotFound(w, req)
			return
		}
		for i := range 30_000 {
			_, _ = fmt.Fprintf(w, "%040d\trefs/heads/%05d/refs/heads/main\n", i+1, i)
		}
	}))
	t.Cleanup(site.Close)
	_, err := pin(t.Context(), site.URL+"/a.git#main")
	want := site.URL + "/a.git#main: the commit is not known: git ls-remote: it printed more than 1 MiB " +
		"and was ended; that is no list of branches and tags: check the server and the git program"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

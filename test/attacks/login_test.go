//go:build linux

package attacks

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// The attacker is another user of the machine, or gets the image, the state or the log, and wants the login in a URL.

// collectArguments collects the arguments of all processes until stop is called.
func collectArguments(t *testing.T) (stop func() string) {
	t.Helper()
	end, all := make(chan struct{}), make(chan string)
	go func() { // ends with stop
		seen := map[string]bool{}
		for {
			for _, pid := range daemontest.ProcessIDs() {
				seen[daemontest.ProcessArguments(pid)] = true
			}
			select {
			case <-end:
				var b strings.Builder
				for text := range seen {
					b.WriteString(text + "\n")
				}
				all <- b.String()
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	return func() string { close(end); return <-all }
}

// filesWithText returns the files of a folder that have a text in them.
func filesWithText(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // it may have gone
		}
		if content, err := os.ReadFile(path); err == nil && bytes.Contains(content, []byte(text)) {
			found = append(found, path)
		}
		return nil
	})
	return found
}

// packArchive returns a tar archive of the files.
func packArchive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, text := range files {
		header := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// urlFiles is the content of a context whose URL has a login.
var urlFiles = map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"}

// queryCanary is a token in the query of a URL. BuildKit records the URL with its query, so the daemon's disk and the
// provenance have it.
const queryCanary = "qCANARYuery"

// serveGit serves urlFiles as a git repository that wants the login.
func serveGit(t *testing.T, login string) string {
	t.Helper()
	return gitServer(t, urlFiles, login, nil)
}

// serveArchive serves urlFiles as an archive that wants the login.
func serveArchive(t *testing.T, login string) string {
	t.Helper()
	packed := packArchive(t, urlFiles)
	write := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(packed) }
	return serve(t, http.HandlerFunc(write), login, nil)
}

// serveDockerfile serves a Dockerfile to those who have the login.
func serveDockerfile(t *testing.T, login string) string {
	t.Helper()
	write := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("FROM scratch\nCOPY Dockerfile /\n"))
	}
	return serve(t, http.HandlerFunc(write), login, nil)
}

// urlLogins holds contexts and a Dockerfile whose URL has a login. SITE stands for the address of the server,
// with the login.
var urlLogins = map[string]struct {
	canary     string
	site       func(t *testing.T, login string) string
	properties string
}{
	"git": {
		"gitCANARYt0ken", serveGit,
		"context: { location: { \"fn::secret\": \"SITE/repo.git#main\" } }\npull: true\n" +
			"provenance: { mode: max }\n",
	},
	"archive": {
		"tgzCANARYt0ken", serveArchive,
		"context: { location: \"SITE/app.tar?access_token=" + queryCanary + "\" }\nprovenance: { mode: max }\n",
	},
	"dockerfile": {
		"dkfCANARYt0ken", serveDockerfile,
		"context: { location: . }\ndockerfile: { location: \"SITE/Dockerfile?token=dkfCANARYt0ken\" }\n" +
			"provenance: { mode: max }\n",
	},
	"named": {
		"namCANARYt0ken", serveGit,
		"context: { location: ., named: { src: { location: \"SITE/repo.git#main\" } } }\n" +
			"provenance: { mode: max }\n",
	},
}

func TestALoginInAURLIsSeenNowhere(t *testing.T) {
	t.Parallel()
	for name, c := range urlLogins {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := strings.Replace(c.site(t, "me:"+c.canary), "http://", "http://me:"+c.canary+"@", 1)
			properties := strings.ReplaceAll(c.properties, "SITE", site) +
				"platforms: [linux/amd64]\ntags: [\"REPO:1\"]\n"
			s := shared.Open(t, shared.Project(t, properties,
				map[string]string{"Dockerfile": "FROM scratch\nCOPY --from=src Dockerfile /\n"}))
			stop := collectArguments(t)
			up := s.Up("--skip-preview")
			seen := stop()
			stack.Succeeds(t, up, "its URL has a login")
			if strings.Contains(seen, c.canary) {
				t.Error("the login is in the arguments of a process")
			}
			again := s.Up("--expect-no-changes")
			stack.Succeeds(t, again)
			encoded := base64.StdEncoding.EncodeToString([]byte("me:" + c.canary))
			for _, canary := range []string{c.canary, queryCanary, encoded} {
				wantSeenNowhere(t, s, up.All()+again.All(), canary)
			}
			stack.Succeeds(t, s.Destroy("--skip-preview"))
		})
	}
}

// wantSeenNowhere reports a canary in the output of the CLI, in the state, on the disk of the daemon or in the
// registry.
func wantSeenNowhere(t *testing.T, s *stack.Test, output, canary string) {
	t.Helper()
	if strings.Contains(output, canary) {
		t.Errorf("%s is in the output:\n%s", canary, output)
	}
	for _, r := range s.Export() {
		if text := fmt.Sprint(r.Outputs); strings.Contains(text, canary) {
			t.Errorf("%s is in the outputs: %s", canary, text)
		}
	}
	if canary == queryCanary {
		return
	}
	for _, dir := range []string{shared.Daemon, shared.Registry.Dir()} {
		if found := filesWithText(t, dir, canary); len(found) > 0 {
			t.Errorf("%s is in %v", canary, found)
		}
	}
}

// A login that the server refuses is not shown either, and neither is one of the Dockerfile.
func TestALoginInAnErrorIsNotShown(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ location, dockerfile, pull string }{
		"git":           {"SITE/repo.git#main", "", "false"},
		"git, pinned":   {"SITE/repo.git#main", "", "true"},
		"archive":       {"SITE/app.tar?sig=errCANARYt0ken", "", "false"},
		"no URL":        {"http://me:errCANARYt0ken@127.0.0.1:no/repo.git", "", "false"},
		"no URL pinned": {"http://me:errCANARYt0ken@127.0.0.1:no/repo.git", "", "true"},
		"Dockerfile's":  {".\" }\ndockerfile: { location: \"SITE/none?sig=errCANARYt0ken", "", "false"},
		"Dockerfile":    {".", "FROM scratch\nADD SITE/repo.git#main /\n", "false"},
		"a bad line":    {".", "FROM scratch\nADD --nothing SITE/repo.git#main /\n", "false"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := gitServer(t, map[string]string{"Dockerfile": "FROM scratch\n"}, "me:another", nil)
			site = strings.Replace(site, "http://", "http://me:errCANARYt0ken@", 1)
			replace := strings.NewReplacer("SITE", site)
			properties := "context: { location: \"" + replace.Replace(c.location) + "\" }\npull: " + c.pull +
				"\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\n"
			s := shared.Open(t, shared.Project(t, properties,
				map[string]string{"Dockerfile": replace.Replace(c.dockerfile)}))
			failed := s.Preview()
			stack.Fails(t, failed)
			if strings.Contains(failed.All(), "CANARY") ||
				strings.Contains(failed.All(), base64.StdEncoding.EncodeToString([]byte("me:errCANARYt0ken"))) {
				t.Errorf("the output has the login:\n%s", failed.All())
			}
		})
	}
}

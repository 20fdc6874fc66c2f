package buildkit_test

import (
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// noise returns random content, which cannot be compressed.
func noise(size int) []byte {
	content := make([]byte, size)
	seed := [32]byte{}
	copy(seed[:], time.Now().String())
	_, _ = rand.NewChaCha8(seed).Read(content)
	return content
}

// pacedWriter sends the first part of a body, and then nothing, or the rest slowly.
type pacedWriter struct {
	http.ResponseWriter
	req   *http.Request
	after int           // bytes
	pause time.Duration // before each further 16 KiB; 0: for ever
	sent  int
}

func (p *pacedWriter) Write(data []byte) (n int, err error) {
	for len(data) > 0 {
		part := data[:min(len(data), 16<<10)]
		if p.sent >= p.after {
			_ = http.NewResponseController(p.ResponseWriter).Flush()
			var after <-chan time.Time
			if p.pause > 0 {
				after = time.After(p.pause)
			}
			select {
			case <-after:
			case <-p.req.Context().Done():
				return n, p.req.Context().Err()
			}
		}
		if _, err := p.ResponseWriter.Write(part); err != nil {
			return n, err
		}
		p.sent, n, data = p.sent+len(part), n+len(part), data[len(part):]
	}
	return n, nil
}

// pacedServer serves files and git repositories of a folder through a pacedWriter. after is the length of the first
// part.
func pacedServer(t *testing.T, dir string, after int, pause time.Duration) *httptest.Server {
	t.Helper()
	backend, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	git := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(backend)), "git-http-backend"),
		Env: []string{
			"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + dir, "GIT_CONFIG_COUNT=1",
			"GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		},
	}
	files := http.FileServer(http.Dir(dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		slow := &pacedWriter{ResponseWriter: w, req: req, after: after, pause: pause}
		if strings.Contains(req.URL.Path, ".git/") {
			git.ServeHTTP(slow, req)
			return
		}
		files.ServeHTTP(slow, req)
	}))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server
}

var _ io.Writer = (*pacedWriter)(nil)

package provider

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
)

// dockerfileServer serves one Dockerfile.
type dockerfileServer struct {
	*httptest.Server
	text     atomic.Pointer[string]
	requests atomic.Int32
	sent     atomic.Int32 // answers with the text
}

func newDockerfileServer(t *testing.T) *dockerfileServer {
	t.Helper()
	s := &dockerfileServer{}
	s.set(goodDockerfile)
	mux := http.NewServeMux()
	mux.HandleFunc("/Dockerfile", func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		text := *s.text.Load()
		w.Header().Set("ETag", fmt.Sprintf("%q", digestOf(text)))
		if r.Header.Get("If-None-Match") == w.Header().Get("ETag") {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		s.sent.Add(1)
		_, _ = w.Write([]byte(text))
	})
	mux.HandleFunc("/login", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	for path, text := range map[string]string{"/invalid": "FROM a\nRUNN b", "/latin": "FROM a\nRU\xe4N b"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
	}
	mux.HandleFunc("/metadata", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/canary", http.StatusFound)
	})
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html>"))
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// set replaces the Dockerfile.
func (s *dockerfileServer) set(text string) { s.text.Store(&text) }

// checkAt calls Check with inputs in which DIR stands for a folder and URL for the server.
func (s *dockerfileServer) checkAt(t *testing.T, server integration.Server, dir, inputs string) p.CheckResponse {
	t.Helper()
	program := props(t, strings.NewReplacer("DIR", dir, "URL", s.URL).Replace(inputs))
	res, err := server.Check(p.CheckRequest{Urn: urn, Inputs: program})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

const programWithURL = `{"context": {"location": "DIR"}, "dockerfile": {"location": "URL/Dockerfile"}}`

// The text at a URL counts as the same text in the program does, whatever the context is.
func TestCheckHashesADockerfileAtAURL(t *testing.T) {
	t.Parallel()
	s, dir := newDockerfileServer(t), newFolder(t, map[string]string{"a": "", ".dockerignore": "b"})
	inline := `"dockerfile": {"inline": "FROM scratch\nCOPY a /\n"}}`
	for _, context := range []string{
		`{"context": {"location": "DIR"}, `, `{"context": {"location": "https://example.com/a.git"}, `,
		`{"context": {"location": "DIR"}, "testTargets": ["0"], `,
	} {
		found := s.checkAt(t, serve(t), dir, context+`"dockerfile": {"location": "URL/Dockerfile"}}`)
		want := s.checkAt(t, serve(t), dir, context+inline)
		hash := text(found.Inputs, "contextHash")
		if hash == "" || hash != text(want.Inputs, "contextHash") || len(found.Failures) > 0 {
			t.Errorf("%s has hash %q, failures %v", context, hash, found.Failures)
		}
	}
}

// One run downloads a Dockerfile once. The next run asks whether it has changed.
func TestCheckDownloadsADockerfileOnce(t *testing.T) {
	t.Parallel()
	s, dir, server := newDockerfileServer(t), newFolder(t, map[string]string{"a": ""}), serve(t)
	for run, c := range []struct {
		text           string
		requests, sent int32
	}{{goodDockerfile, 1, 1}, {goodDockerfile, 2, 1}, {"FROM scratch\nCOPY a /b\n", 3, 2}} {
		s.set(c.text)
		if err := server.Configure(p.ConfigureRequest{}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if res := s.checkAt(t, server, dir, programWithURL); len(res.Failures) > 0 {
				t.Fatal(res.Failures)
			}
		}
		if s.requests.Load() != c.requests || s.sent.Load() != c.sent {
			t.Errorf("run %d: %d requests, %d texts", run, s.requests.Load(), s.sent.Load())
		}
	}
}

// A contextHash that the program gives, or that ignoreChanges keeps, needs no text.
func TestCheckWithAContextHashDownloadsNothing(t *testing.T) {
	t.Parallel()
	s := newDockerfileServer(t)
	res := s.checkAt(t, serve(t), t.TempDir(), `{"context": {"location": "DIR"}, "contextHash": "mine", `+
		`"testTargets": ["0"], "buildArgs": {"BUILDKIT_X": "1"}, "dockerfile": {"location": "URL/Dockerfile"}}`)
	if len(res.Failures) > 0 || s.requests.Load() > 0 {
		t.Errorf("%d requests, failures %v", s.requests.Load(), res.Failures)
	}
}

// A build downloads a Dockerfile that Check did not need. Its error shows nothing of a URL that is a secret.
func TestABuildShowsNoSecretURL(t *testing.T) {
	t.Parallel()
	s := newDockerfileServer(t)
	for location, want := range map[string]string{
		"secret:" + s.URL + "/canary":      "dockerfile.location: the Dockerfile cannot be downloaded: 404 Not Found",
		"secret:http://127.0.0.1:1/canary": "dockerfile.location: the Dockerfile cannot be downloaded. Check the URL",
		s.URL + "/none":                    "the Dockerfile cannot be downloaded: " + s.URL + "/none: 404 Not Found",
	} {
		for _, preview := range []bool{true, false} {
			_, err := serve(t).Create(p.CreateRequest{Urn: urn, DryRun: preview, Properties: props(t, fmt.Sprintf(
				`{"context": {"location": %q}, "contextHash": "mine", "dockerfile": {"location": %q}}`, t.TempDir(),
				location))})
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s (preview: %v): %v", location, preview, err)
			}
		}
	}
}

// Each failure says what to do, and shows no login.
func TestCheckOfABadDockerfileURL(t *testing.T) {
	t.Parallel()
	s, dir := newDockerfileServer(t), newFolder(t, map[string]string{"a": ""})
	withLogin := strings.Replace(s.URL, "://", "://me:canary@", 1)
	for location, want := range map[string]string{
		"URL/none": "the Dockerfile cannot be downloaded: URL/none: 404 Not Found. Check the URL. A server may also " +
			"answer so to those who may not read the file",
		"URL/broken": "URL/broken: 502 Bad Gateway. The fault is in that server: try again later",
		withLogin + "/login": "URL/login: 401 Unauthorized. Write user:password@ in front of its host, " +
			"and make the URL a Pulumi secret",
		"secret:" + withLogin + "/login": "the Dockerfile cannot be downloaded: 401 Unauthorized. Write user:password@",
		"secret:http://127.0.0.1:1/canary": "the Dockerfile cannot be downloaded. Check the URL, and that this " +
			"machine reaches the host",
		"URL/metadata": "URL/metadata: it redirects to 169.254.169.254:80 (169.254.169.254), which is an address of " +
			"this machine's link or cloud: refused. If it is meant, write the URL that the file has in the end",
		"URL/page": "URL/page: the server sends a web page, not the file. Write the URL of the file itself: " +
			"https://raw.githubusercontent.com/… at GitHub",
		"URL/invalid":                     "line 2: unknown instruction: RUNN",
		"URL/latin":                       "line 2: the byte 0xe4 is not UTF-8, which BuildKit reads",
		"http://me:canary@h.example/file": "http://h.example/file: its login would go over plain http. Write https",
	} {
		inputs := fmt.Sprintf(`{"context": {"location": "DIR"}, "dockerfile": {"location": %q}}`, location)
		res := s.checkAt(t, serve(t), dir, inputs)
		if len(res.Failures) != 1 || res.Failures[0].Property != "dockerfile.location" {
			t.Errorf("%s: failures %v", location, res.Failures)
			continue
		}
		reason := res.Failures[0].Reason
		if !strings.Contains(strings.ReplaceAll(reason, s.URL, "URL"), want) || strings.Contains(reason, "canary") {
			t.Errorf("%s: %s", location, reason)
		}
	}
}

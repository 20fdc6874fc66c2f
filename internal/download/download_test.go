package download_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/download"
)

const text = "FROM scratch\n"

// get downloads a URL within the bounds of the tests.
func get(t *testing.T, url string, before *download.Text) (*download.Text, error) {
	t.Helper()
	options := download.Options{Limit: 1000, Timeout: time.Minute, Before: before}
	if strings.HasSuffix(url, "/silent") {
		options.Timeout = 300 * time.Millisecond
	}
	return download.Get(t.Context(), url, options)
}

// newServer starts a server of texts and faults. It closes with the test.
func newServer(t *testing.T, start func(http.Handler) *httptest.Server) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/file", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "me" || password != "pa ss" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, text)
	})
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.URL.Query().Get("url"))
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://me:canary@h.example/%zz?X-Amz-Signature=canary")
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/seen", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s|%s", r.Header.Get("Authorization"), r.Header.Get("Referer"))
	})
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("#", 1001)) })
	mux.HandleFunc("/silent", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "\n<!DOCTYPE html>")
	})
	s := start(mux)
	t.Cleanup(s.Close)
	return s
}

func TestGet(t *testing.T) {
	t.Parallel()
	s := newServer(t, httptest.NewServer)
	for _, path := range []string{"/file", "/to?url=/file", "/to?url=/to?url=/file"} {
		got, err := get(t, s.URL+path, nil)
		if err != nil || string(got.Content) != text {
			t.Errorf("%s: %+v %v", path, got, err)
		}
	}
}

func TestGetFails(t *testing.T) {
	t.Parallel()
	s, secure := newServer(t, httptest.NewServer), newServer(t, httptest.NewTLSServer)
	local := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	for url, want := range map[string]struct {
		fault download.Fault
		text  string
	}{
		s.URL + "/none":               {download.Status, "404 Not Found"},
		s.URL + "/long":               {download.TooLarge, "it has more than 1000 bytes"},
		s.URL + "/silent":             {download.Silent, "no answer within 300ms"},
		s.URL + "/page":               {download.Page, "the server sends a web page, not the file"},
		s.URL + "/to?url=/to%3Furl=/": {download.Status, "404 Not Found"},
		s.URL + "/to?url=file:///etc/passwd": {
			download.Redirected, "it redirects to a URL that is neither http nor https: refused",
		},
		s.URL + "/to?url=http://169.254.169.254/x": {
			download.Redirected, "it redirects to 169.254.169.254:80 (169.254.169.254), which is an address of this " +
				"machine's link or cloud: refused",
		},
		s.URL + "/to?url=http://0xa9fea9fe/x": {download.Redirected, "which is an address of this machine's link or"},
		s.URL + "/broken": {
			download.Redirected, "the URL to which it redirects is not valid: refused",
		},
		s.URL + "/to?url=http://a:b@h.example/x": {
			download.Redirected, "it redirects to h.example with a login of its own: refused",
		},
		s.URL + "/to?url=" + local + "/to":       {download.Status, "302 Found"},
		secure.URL + "/file":                     {download.Untrusted, "certificate"},
		"http://127.0.0.1:1/file":                {download.Unreachable, "connection refused"},
		"http://me:canary@h.example/file":        {download.PlainLogin, "its login would go over plain http"},
		"http://%zz/":                            {download.BadURL, "it is not a valid URL"},
		"ftp://h.example/":                       {download.BadURL, "it is not a valid URL"},
		"https:///Dockerfile":                    {download.BadURL, "it is not a valid URL"},
		s.URL + "/none?token=canary":             {download.Status, "/none?token=[secret]: 404 Not Found"},
		withLogin(s.URL, "me:canary") + "/login": {download.Status, "/login: 401 Unauthorized"},
	} {
		got, err := get(t, url, nil)
		failed, ok := errors.AsType[*download.Error](err)
		if !ok || failed.Fault != want.fault || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: %+v, %v of fault %+v", url, got, err, failed)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("a secret is shown: %v", err)
		}
	}
}

// withLogin returns a URL with a login.
func withLogin(url, login string) string { return strings.Replace(url, "://", "://"+login+"@", 1) }

// A login goes to its host, over a redirect within it too. It goes to no other host, and neither does the URL.
func TestLogins(t *testing.T) {
	t.Parallel()
	s, other := newServer(t, httptest.NewServer), newServer(t, httptest.NewServer)
	for _, path := range []string{"/login", "/to?url=/login", "/to?url=" + s.URL + "/login"} {
		if got, err := get(t, withLogin(s.URL, "me:pa%20ss")+path, nil); err != nil || string(got.Content) != text {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, to := range []string{other.URL + "/seen", strings.Replace(s.URL, "127.0.0.1", "localhost", 1) + "/seen"} {
		got, err := get(t, withLogin(s.URL, "me:pa%20ss")+"/to?token=x&url="+to, nil)
		if err != nil || string(got.Content) != "|" {
			t.Errorf("%s was told %+v, %v", to, got, err)
		}
	}
}

// A proxy is reached wherever the user has it, and however its host is spelled.
func TestProxy(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.String())
	}))
	defer proxy.Close()
	t.Setenv("NO_PROXY", "")
	for _, host := range []string{"127.0.0.1", "localhost", "LocalHost"} {
		t.Setenv("HTTP_PROXY", strings.Replace(proxy.URL, "127.0.0.1", host, 1))
		got, err := get(t, "http://h.example/file", nil)
		if err != nil || string(got.Content) != "http://h.example/file" {
			t.Errorf("%s: %+v, %v", host, got, err)
		}
	}
}

// A redirect from https to http is refused: others could change what comes back. So is one too many.
func TestRedirects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to string
		hops     int
		want     string
	}{
		{"https://a.example/x", "https://b.example/y", 1, ""},
		{"http://a.example/x", "https://b.example/y", 5, ""},
		{"http://a.example/x", "http://b.example/y", 1, ""},
		{"https://a.example/x", "http://a.example/y", 1, "it redirects from https to http, at a.example: refused"},
		{"https://a.example/x", "https://a.example/y", 6, "it redirects too often: refused"},
		{"https://a.example/x", "https://localhost/y", 1, "it redirects to localhost:443 (localhost), which is this"},
	} {
		err := download.CheckRedirect(c.from, c.to, c.hops)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// Only a server that is itself on this machine redirects to it, and a name does not lead to a metadata service.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		first, to, addr string
		first1          string // where the first host is
		ok              bool
	}{
		{first: "https://a.example/", first1: "8.8.8.8", to: "b.example:443", addr: "9.9.9.9", ok: true},
		{first: "https://a.example/", first1: "8.8.8.8", to: "b.example:443", addr: "10.0.0.1"},
		{first: "https://a.example/", first1: "8.8.8.8", to: "b.example:443", addr: "127.0.0.1"},
		{first: "https://a.example/", first1: "10.0.0.1", to: "b.example:443", addr: "10.0.0.2", ok: true},
		{first: "https://a.example/", first1: "10.0.0.1", to: "b.example:443", addr: "127.0.0.1"},
		{first: "https://a.example/", first1: "127.0.0.1", to: "b.example:443", addr: "127.0.0.1", ok: true},
		{first: "https://a.example/", first1: "127.0.0.1", to: "b.example:443", addr: "169.254.169.254"},
		{first: "https://a.example/", first1: "169.254.169.254"},
		{first: "http://169.254.169.254/", first1: "169.254.169.254", to: "b.example:443", addr: "169.254.170.2"},
		{first: "http://169.254.169.254/", first1: "169.254.169.254", to: "b.example:443", addr: "10.0.0.1"},
	} {
		err := download.Judge(c.first, c.first1, c.to, c.addr)
		if (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// What has not changed is not sent again.
func TestUnchanged(t *testing.T) {
	t.Parallel()
	tag, sent := `"1"`, 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		sent++
		fmt.Fprint(w, text, tag)
	}))
	t.Cleanup(s.Close)
	var before *download.Text
	for range 2 {
		got, err := get(t, s.URL, before)
		if err != nil || string(got.Content) != text+`"1"` || sent != 1 {
			t.Fatalf("%+v %v, sent %d times", got, err, sent)
		}
		before = got
	}
	tag = `"2"`
	if got, err := get(t, s.URL, before); err != nil || string(got.Content) != text+`"2"` {
		t.Fatalf("%+v %v", got, err)
	}
}

func TestEndedContext(t *testing.T) {
	t.Parallel()
	s := newServer(t, httptest.NewServer)
	ctx, stop := context.WithCancelCause(t.Context())
	stop(errors.New("the user interrupts"))
	_, err := download.Get(ctx, s.URL+"/silent", download.Options{Limit: 1, Timeout: time.Minute})
	if err == nil || err.Error() != "the user interrupts" {
		t.Error(err)
	}
}

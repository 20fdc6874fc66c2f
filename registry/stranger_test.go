package registry_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// stranger is a registry that answers with fuzzed text, and all hosts that it names. It records which hosts got the
// login.
type stranger struct {
	answer func(req *http.Request) (status int, header http.Header, body []byte)

	mu     sync.Mutex
	asked  int
	logins []string // scheme://host
}

func (s *stranger) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := req.Header.Get("Authorization") + req.URL.String()
	if req.Body != nil {
		form, _ := io.ReadAll(req.Body)
		_ = req.Body.Close()
		sent += string(form)
	}
	s.mu.Lock()
	s.asked++
	if strings.Contains(sent, canary) || strings.Contains(sent,
		base64.StdEncoding.EncodeToString([]byte("user:"+canary))) {
		s.logins = append(s.logins, req.URL.Scheme+"://"+req.URL.Host)
	}
	s.mu.Unlock()
	status, header, body := s.answer(req)
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Request: req,
		ContentLength: int64(len(body))}, nil
}

const strange = "registry.example.com"

// client returns a client with a login for the stranger only.
func (s *stranger) client() *registry.Client {
	keychain := registry.NewKeychain([]registry.Login{{Address: strange, Username: "user", Password: canary}})
	return registry.New(keychain, registry.Options{Transport: s, Timeout: 5 * time.Second,
		RetryWaits: []time.Duration{}})
}

// checkError holds that the text of an error is short, has no control characters and does not show the login.
func checkError(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	text := err.Error()
	if len(text) > 4000 || strings.Contains(text, canary) || strings.ContainsFunc(text, unicode.IsControl) {
		t.Errorf("%d bytes: %.500q", len(text), text)
	}
}

// checkLogins holds that the login goes over https to a host that is not this machine's or its cloud's.
func (s *stranger) checkLogins(t *testing.T) {
	t.Helper()
	for _, to := range s.logins {
		at, err := url.Parse(to)
		if err != nil {
			continue // it was not dialed
		}
		ip, _ := netip.ParseAddr(at.Hostname())
		if at.Scheme != "https" || at.Hostname() == "localhost" || ip.Unmap().IsLoopback() ||
			ip.Unmap().IsLinkLocalUnicast() || ip.Unmap().IsPrivate() ||
			ip.Unmap().IsUnspecified() {
			t.Errorf("the login went to %s", to)
		}
	}
	if s.asked > 100 {
		t.Errorf("%d requests", s.asked)
	}
}

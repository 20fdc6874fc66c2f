package registry_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/opencontainers/go-digest"

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

// FuzzVerify serves a fuzzed index, manifest and configuration. It holds that Verify accepts only what was asked for.
func FuzzVerify(f *testing.F) {
	index, manifest, config := document(f)
	f.Add(index, manifest, config, "application/vnd.oci.image.index.v1+json", true)
	f.Add([]byte(`{"manifests":[null,{},{"platform":{}}]}`), manifest, config,
		"application/vnd.oci.image.index.v1+json", true)
	f.Add([]byte(`{"manifests":{}}`), []byte(`{"layers":null}`), []byte(`{"os":1}`), "", true)
	f.Add(manifest, manifest, config, "application/vnd.oci.image.manifest.v1+json", false)
	f.Add(index, manifest, config, "application/vnd.oci.image.manifest.v1+json", true)
	f.Fuzz(func(t *testing.T, index, manifest, config []byte, contentType string, two bool) {
		want, served := expectedPlatforms("linux/amd64"), map[string][]byte{}
		if two {
			want = expectedPlatforms("linux/amd64", "linux/arm64")
		}
		for _, content := range [][]byte{index, manifest, config} {
			served[digest.FromBytes(content).String()] = content
		}
		s := &stranger{answer: func(req *http.Request) (int, http.Header, []byte) {
			content, ok := served[filepath.Base(req.URL.Path)]
			if !ok && req.URL.Path != "/v2/" {
				return http.StatusNotFound, nil, nil
			}
			return http.StatusOK, http.Header{"Content-Type": {contentType}}, content
		}}
		root := digest.FromBytes(index).String()
		image, err := s.client().Verify(t.Context(), strange+"/app", root, want)
		checkError(t, err)
		s.checkLogins(t)
		if err != nil {
			return
		}
		var got []string
		for _, m := range image.Manifests {
			got = append(got, m.Platform)
			if served[m.Digest] == nil {
				t.Errorf("%s was not served", m.Digest)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want.Platforms) {
			t.Errorf("accepted %v", got)
		}
	})
}

// document returns an image for amd64, in an index that lists it for two platforms.
func document(f *testing.F) (index, manifest, config []byte) {
	f.Helper()
	config = []byte(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}`)
	manifest = fmt.Appendf(nil,
		`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":`+
			`"application/vnd.oci.image.config.v1+json","digest":"%s","size":%d},"layers":[]}`,
		digest.FromBytes(config), len(config))
	entry := fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":%d,`+
		`"platform":{"os":"linux","architecture":`,
		digest.FromBytes(manifest), len(manifest))
	index = fmt.Appendf(nil,
		`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",`+
			`"manifests":[%s"amd64"}},%s"arm64"}}]}`, entry, entry)
	return index, manifest, config
}

// FuzzErrorBody fuzzes what a registry says when it refuses.
func FuzzErrorBody(f *testing.F) {
	f.Add(404, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`, "1")
	f.Add(403, `{"errors":[{"code":"DENIED","message":"\u001b]0;x\u0007 is not authorized to perform: `+canary+`"}]}`,
		"")
	f.Add(429, `<html>`, "99999999999999999999")
	f.Add(401, `{"errors":[{"code":"`+strings.Repeat("A", 5000)+`"}]}`, "Wed, 21 Oct 2399 07:28:00 GMT")
	f.Add(500, "\x00\xff", "-1")
	f.Add(400, `{"errors":[{"code":"TAG_INVALID","message":"immutable","detail":[[[[]]]]}]}`, "9223372036854775807")
	f.Fuzz(func(t *testing.T, status int, body, retryAfter string) {
		if status < 200 || status > 599 {
			return
		}
		s := &stranger{answer: func(req *http.Request) (int, http.Header, []byte) {
			if req.URL.Path == "/v2/" {
				return http.StatusOK, nil, nil
			}
			return status, http.Header{"Retry-After": {retryAfter}}, []byte(body)
		}}
		tag, _ := registry.ParseTag(strange + "/app:1")
		_, err := s.client().Find(t.Context(), tag)
		checkError(t, err)
		s.checkLogins(t)
		_, err = s.client().SetTags(t.Context(), tag.Repository(), "sha256:"+strings.Repeat("0", 64),
			[]registry.Tag{tag})
		for line := range strings.Lines(fmt.Sprint(err)) {
			if len(line) > 4000 || strings.Contains(line, canary) {
				t.Errorf("%d bytes: %.500q", len(line), line)
			}
		}
	})
}

// FuzzChallenge fuzzes how a registry wants us to log in, and where it sends us.
func FuzzChallenge(f *testing.F) {
	for _, challenge := range []string{
		`Basic realm="x"`, `Bearer realm="https://auth.example.com/token",service="x",scope="repository:app:pull"`,
		`Bearer realm="http://localhost:8080/"`,
		`Bearer realm="https://169.254.169.254/"`, `Bearer realm="https://user:pass@auth.example.com/"`,
		`Bearer realm="file:///etc/passwd"`,
		`Bearer realm="https://[::ffff:127.0.0.1]/"`, `bearer realm="//x"`, `Bearer`, `Negotiate, Basic`,
		`Bearer realm="https://auth.example.com@127.0.0.1/"`,
		`Bearer realm="https://2130706433/"`, "Bearer realm=\"https://a\\\"b/\"",
	} {
		for _, location := range []string{"", "https://storage.example.com/", "http://localhost:6443/", "//127.0.0.1/",
			"file:///x", "https://" + strange + "/again"} {
			f.Add(challenge, location, 307, `{"token":"t"}`)
		}
	}
	f.Fuzz(func(t *testing.T, challenge, location string, status int, token string) {
		s := &stranger{answer: func(req *http.Request) (int, http.Header, []byte) {
			switch {
			case req.URL.Host == strange && req.Header.Get("Authorization") == "":
				return http.StatusUnauthorized, http.Header{"Www-Authenticate": {challenge}}, nil
			case req.URL.Host != strange && location == "":
				return http.StatusOK, nil, []byte(token)
			}
			return 300 + max(status, -status)%10, http.Header{"Location": {location}}, nil
		}}
		tag, _ := registry.ParseTag(strange + "/app:1")
		_, err := s.client().Resolve(t.Context(), tag)
		checkError(t, err)
		s.checkLogins(t)
	})
}

// FuzzToken fuzzes what a token server answers.
func FuzzToken(f *testing.F) {
	for _, body := range []string{
		`{"token":"t","expires_in":300}`, `{"access_token":"t","expires_in":-1}`,
		`{"token":"t","expires_in":9223372036854775807}`,
		`{"token":"a\r\nb"}`, `{"token":""}`, `[]`, `{"token":1}`, `{"refresh_token":"` + canary + `"}`,
		strings.Repeat("[", 10001), `{"token":"` + canary,
	} {
		f.Add("https://auth.example.com/token", 200, body)
	}
	f.Add("http://auth.example.com/token", 200, `{"token":"t"}`)
	f.Add("https://localhost/token", 401, `{"errors":[]}`)
	f.Add("::", 503, ``)
	f.Fuzz(func(t *testing.T, realm string, status int, body string) {
		s := &stranger{answer: func(*http.Request) (int, http.Header, []byte) {
			return 200 + max(status, -status)%400, nil, []byte(body)
		}}
		got, err := s.client().Token(t.Context(), registry.TokenRequest{Host: strange, Realm: realm,
			Scopes: []string{"repository:app:pull"}})
		checkError(t, err)
		s.checkLogins(t)
		if err == nil && (got.Token == "" || got.ExpiresIn < 0 || got.ExpiresIn > 24*time.Hour ||
			strings.ContainsFunc(got.Token, unicode.IsControl)) {
			t.Errorf("%q for %s", got.Token, got.ExpiresIn)
		}
	})
}

// FuzzParseTag holds that a parsed tag parses again from its own text, and names the same.
func FuzzParseTag(f *testing.F) {
	for _, s := range []string{
		"ghcr.io/acme/app:1", "app", "user/app", "localhost:5000/a/b", "[::1]:5000/a:b", "https://u:p@ghcr.io/a:1",
		"ghcr.io/a@sha256:" + strings.Repeat("0", 64),
		"GHCR.IO/acme/app", "index.docker.io/library/x:y", "a.b/c:" + strings.Repeat("x", 129), "a.b/c: d", "::", "//",
		"a.b/\x00", "a.b/c:\x1b[2J", "registry-1.docker.io/a/b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tag, err := registry.ParseTag(s)
		if err != nil {
			if text := err.Error(); len(text) > 8*len(s)+1000 || strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("%q", text)
			}
			return
		}
		again, err := registry.ParseTag(tag.String())
		if err != nil || again != tag {
			t.Errorf("%q is %s, and then %s, %v", s, tag, again, err)
		}
		if tag.Repository() != again.Repository() || !strings.HasPrefix(tag.String(), tag.Host()+"/") {
			t.Errorf("%q is %s at %s", s, tag, tag.Host())
		}
	})
}

// FuzzDockerConfig holds that a login belongs to a host that the file names.
func FuzzDockerConfig(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"auths":{"ghcr.io":{"auth":"dXNlcjpwYXNz"}}}`,
		`{"auths":{"https://index.docker.io/v1/":{"username":"u","password":"p"}}}`,
		`{"auths":{"ghcr.io@evil.example.com":{"auth":"dXNlcjpwYXNz"}}}`, `{"auths":{"":{"identitytoken":"t"}}}`,
		`{"auths":[]}`, `{"auths":{"x":{"auth":"="}}}`,
		`{"credsStore":"../../bin/sh"}`, `{"credHelpers":{"ghcr.io":"x"}}`, "\ufeff{}", strings.Repeat("{", 10001),
	} {
		f.Add(text, "ghcr.io")
		f.Add(text, "docker.io")
	}
	f.Setenv("PATH", f.TempDir()) // no helper is run
	folder := f.TempDir()
	f.Fuzz(func(t *testing.T, text, host string) {
		if strings.Contains(text, "cred") || strings.ContainsFunc(host, unicode.IsSpace) {
			return
		}
		file := filepath.Join(folder, "config.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		keychain := registry.NewKeychain(nil)
		keychain.DockerConfig = folder
		ctx, stop := context.WithTimeoutCause(t.Context(), time.Minute, nil)
		defer stop()
		hostOf := (registry.Login{Address: host}).Host()
		if strings.Contains(hostOf, "amazonaws") || strings.HasSuffix(hostOf, ".io") && hostOf != "ghcr.io" &&
			hostOf != "docker.io" {
			return // a cloud is asked
		}
		got, err := keychain.Lookup(ctx, host)
		checkError(t, err)
		if err == nil && !got.Anonymous() && !hasEntry(text, host) {
			t.Errorf("%s was given %q of %s", host, got.Username, text)
		}
	})
}

// hasEntry reports whether a configuration has an entry for host.
func hasEntry(text, host string) bool {
	var file struct {
		Auths map[string]json.RawMessage `json:"auths"`
	}
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&file); err != nil {
		return false
	}
	for address := range file.Auths {
		if (registry.Login{Address: address}).Host() == (registry.Login{Address: host}).Host() {
			return true
		}
	}
	return false
}

// FuzzPushError fuzzes what a daemon says about a push, in the words of a registry.
func FuzzPushError(f *testing.F) {
	for _, text := range []string{
		`unexpected status from PUT request to https://registry.example.com/v2/x?sig=1: 403 Forbidden`,
		"denied: \x1b[2J", `failed to do request: Put "https://x/": EOF`,
		`toomanyrequests: later`, ``,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		err := (&stranger{}).client().ExplainPush(newDaemonError("registry.example.com/app", text))
		if failure, ok := err.(*registry.PushError); ok { //nolint:errorlint // it is not wrapped
			said := failure.Error()
			if len(said) > len(failure.Repository)*4+4000 ||
				strings.ContainsFunc(strings.TrimPrefix(said, "pushing to "+failure.Repository), unicode.IsControl) {
				t.Errorf("%d bytes: %.500q", len(said), said)
			}
		}
	})
}

package registry_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

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

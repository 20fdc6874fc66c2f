package registry_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// logBuffer collects the records of a logger, without their times.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// logger returns a logger that writes to the buffer at level Debug.
func (b *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

// lines returns the records so far.
func (b *logBuffer) lines() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// logCase is a docker configuration and a registry, with the beginnings of the records that a call logs. HOST is the
// registry.
type logCase struct {
	config string // docker's config.json; HOST is the registry
	// login adds the user's own login to the registry.
	login bool
	// prepare changes the registry.
	prepare func(r *registrytest.Registry)
	want    []string
}

// logCases resolve a tag of a registry that asks for tokens.
var logCases = map[string]logCase{
	"login": {
		login: true, config: `{}`, want: []string{
			`msg="credential found" host=HOST source=logins`,
			`msg="token fetched" registry=HOST host=HOST method=GET status=200`},
	},
	"config.json": {
		config: `{"auths":{"HOST":{"auth":"dXNlcjpjYW5hcnktNDcxMQ=="}}}`, want: []string{
			`msg="credential source has none" host=HOST source=DOCKER_AUTH_CONFIG`,
			`msg="credential found" host=HOST source=config.json`},
	},
	"a helper without the login": {
		config: `{"credsStore":"nothing"}`, want: []string{
			`msg="credential source has none" host=HOST source=docker-credential-nothing`,
			`msg="credential source has none" host=HOST source=config.json`, `msg="no credential found" host=HOST`,
		},
	},
	"a broken helper": {
		config: `{"credsStore":"broken"}`, want: []string{
			`msg="credential source failed" host=HOST source=docker-credential-broken ` +
				`reason="docker-credential-broken: exit status 3"`},
	},
	"an identity token": {
		config: `{"credsStore":"token"}`, want: []string{
			`msg="credential found" host=HOST source=docker-credential-token`},
	},
	"a helper's login": {
		config: `{"credsStore":"canary"}`, want: []string{
			`msg="credential found" host=HOST source=docker-credential-canary`,
			`msg="token refused" registry=HOST host=HOST method=GET status=401`},
	},
	"a retry": {
		login: true, config: `{}`, prepare: func(r *registrytest.Registry) {
			r.Inject(registrytest.Rule{Path: "/manifests/", Times: 1,
				Fault: registrytest.Status(503, "UNAVAILABLE", canary, "")})
		},
		want: []string{`msg="trying again" host=HOST method=HEAD attempt=2 wait=1ms reason="503 service unavailable"`},
	},
	"a redirect": {
		login: true, config: `{}`, prepare: func(r *registrytest.Registry) {
			r.Wrap(registrytest.Intercept("", "/manifests/1", func(w http.ResponseWriter, req *http.Request) {
				http.Redirect(w, req, "http://"+r.Host()+"/v2/app/manifests/2?X-Amz-Signature="+canary,
					http.StatusTemporaryRedirect)
			}))
		},
		want: []string{`msg="redirect followed" registry=HOST host=HOST method=HEAD status=200`},
	},
	"a redirect to a metadata service": {
		login: true, config: `{}`, prepare: func(r *registrytest.Registry) {
			r.Wrap(registrytest.Intercept("", "/manifests/1", func(w http.ResponseWriter, req *http.Request) {
				http.Redirect(w, req, "https://169.254.169.254/?X-Amz-Signature="+canary, http.StatusTemporaryRedirect)
			}))
		},
		want: []string{
			`msg="redirect failed" registry=HOST host=169.254.169.254 method=HEAD ` +
				`reason="HOST sends us to 169.254.169.254`,
		},
	},
}

// TestLog holds that the records say which source gave a credential, what was tried again and where a request was sent.
func TestLog(t *testing.T) {
	t.Parallel()
	for name, test := range logCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log logBuffer
			r := registrytest.New(t)
			image := registrytest.Image(t, "linux/amd64")
			r.Push(t, "app:1", image)
			r.Push(t, "app:2", image)
			r.AskForTokens("", "user", canary)
			if test.prepare != nil {
				test.prepare(r)
			}
			var logins []registry.Login
			if test.login {
				logins = append(logins, registry.Login{Address: r.Host(), Username: "user", Password: canary})
			}
			keychain := dockerKeychain(t, strings.ReplaceAll(test.config, "HOST", r.Host()), logins...)
			keychain.Log = log.logger()
			options := registry.Options{RetryWaits: []time.Duration{time.Millisecond}, Log: keychain.Log}
			_, _ = registry.New(keychain, options).Resolve(t.Context(), parseTag(t, r.Host()+"/app:1"))
			expectRecords(t, &log, r.Host(), test.want)
		})
	}
}

// TestLogOfAmazonECR holds the same for tokens of Amazon ECR, and that the log says why a failing source was passed
// over.
func TestLogOfAmazonECR(t *testing.T) {
	t.Parallel()
	const noCredentials = `reason="AWS: no credentials in the environment, `
	tests := map[string]struct {
		profile string
		rule    *registrytest.Rule
		want    []string
	}{
		"a token": {"two", nil, []string{
			`msg="token fetched" host="Amazon ECR" region=eu-west-1 profile=two expires=`,
			`msg="credential found" host=HOST source="Amazon ECR"`,
		}},
		"a retry": {
			"two", &registrytest.Rule{
				Operation: "GetAuthorizationToken", Times: 1, Fault: apiFault("ThrottlingException", "Rate exceeded"),
			}, []string{
				`msg="trying again" host="Amazon ECR" method=GetAuthorizationToken attempt=2 wait=1ms ` +
					`reason="AWS: Rate exceeded"`},
		},
		"no token": {"nothing", nil, []string{
			`msg="token refused" host="Amazon ECR" region=eu-west-1 profile=nothing ` + noCredentials,
			`msg="credential source failed" host=HOST source="Amazon ECR" ` + noCredentials,
			`msg="credential found" host=HOST source=docker-credential-canary`,
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log logBuffer
			e := registrytest.NewECR(t)
			if test.rule != nil {
				e.Inject(*test.rule)
			}
			keychain := amazonKeychainWith(t, e, test.profile, `{"credsStore":"canary"}`)
			keychain.ECR.RetryWaits = []time.Duration{time.Millisecond}
			keychain.Log = log.logger()
			_, err := keychain.Lookup(t.Context(), e.Host())
			if err != nil {
				t.Fatal(err)
			}
			expectRecords(t, &log, e.Host(), test.want)
		})
	}
}

// expectRecords looks for the beginnings of records, in any order, and for secrets. A helper names its user after the
// host, so that the name of its user is one of the secrets.
func expectRecords(t *testing.T, log *logBuffer, host string, want []string) {
	t.Helper()
	text := log.lines()
	for _, record := range want {
		if record = strings.ReplaceAll(record, "HOST", host); !strings.Contains(text, "level=DEBUG "+record) {
			t.Errorf("no record\n%s in\n%s", record, text)
		}
	}
	for _, secret := range []string{canary, registrytest.TokenMark, "AKIA", "user of", "user:", "dXNlcj"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in the log:\n%s", secret, text)
		}
	}
}

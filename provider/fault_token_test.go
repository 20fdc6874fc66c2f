package provider

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// tokenFaults are faults of a token server while a daemon pushes. Most registries have a token server, Amazon ECR has
// none.
var tokenFaults = map[string]struct {
	rule     registrytest.Rule
	password string
	want     string // in the error; "" is survived
}{
	"503": {
		registrytest.Rule{
			Path: registrytest.TokenPath, Times: 3, Fault: registrytest.Status(503, "UNAVAILABLE", "later", ""),
		},
		"swordfish", "",
	},
	"429": {registrytest.Rule{Path: registrytest.TokenPath, Times: 3, Fault: tooManyRequests}, "swordfish", ""},
	"reset": {
		registrytest.Rule{Path: registrytest.TokenPath, Times: 3, Fault: registrytest.Reset(0)}, "swordfish", "",
	},
	"wrong password": {
		registrytest.Rule{}, "catfish",
		"logging in to HOST: 401 unauthorized: incorrect username or password; HOST refused the credentials",
	},
	"down": {
		registrytest.Rule{Path: registrytest.TokenPath, Fault: internalError}, "swordfish",
		"logging in to HOST: 500 no (tried 13 times in ",
	},
}

func TestTokenServerFaults(t *testing.T) {
	t.Parallel()
	for name, fault := range tokenFaults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t)
			r.AskForTokens("", "me", "swordfish")
			if fault.rule.Fault != nil {
				r.Inject(fault.rule)
			}
			f := newFaultyRegistry(t, `{"address": "`+r.Host()+`", "username": "me", "password": "`+fault.password+`"}`)
			_, err := f.apply(t, "FROM scratch", r.Host()+"/app:1")
			want := strings.ReplaceAll(fault.want, "HOST", r.Host())
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("got %v, want %q", err, want)
			}
			if said := f.logText(); strings.Contains(said, fault.password) ||
				strings.Contains(said, registrytest.TokenMark) {
				t.Errorf("a secret is in: %s", said)
			}
		})
	}
}

// The password is not sent to a token server on another machine over plain HTTP.
func TestNoPasswordByPlainHTTP(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(registrytest.OwnAddress(t), "0"))
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	elsewhere := &httptest.Server{
		Listener: listener,
		Config:   &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) })},
	}
	elsewhere.Start()
	t.Cleanup(elsewhere.Close)
	r := registrytest.New(t)
	r.AskForTokens(elsewhere.URL+"/token", "me", "swordfish")
	f := newFaultyRegistry(t, `{"address": "`+r.Host()+`", "username": "me", "password": "swordfish"}`)
	_, err = f.apply(t, "FROM scratch", r.Host()+"/app:1")
	if asked.Load() > 0 || err == nil {
		t.Errorf("the token server elsewhere was asked %d times: %v", asked.Load(), err)
	}
}

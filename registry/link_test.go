package registry_test

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// TestInsecure holds that plain http, and the password over it, is for the host for which the user allows it, and for
// no other.
func TestInsecure(t *testing.T) {
	t.Parallel()
	keychain := dockerKeychain(t, `{}`, registry.Login{Address: "registry.lan:5000", Username: "user", Password: canary,
		Insecure: true},
		registry.Login{Address: "other.lan", Username: "user", Password: canary})
	for host, want := range map[string][]string{
		"registry.lan:5000": {"http://registry.lan:5000", "https://registry.lan:5000"},
		"registry.lan:5001": {"https://registry.lan:5001"},
		"other.lan":         {"https://other.lan"},
	} {
		nobody := &network{answer: func(*http.Request) (*http.Response, error) {
			return nil,
				errors.New("nobody there")
		}}
		_, err := registry.New(keychain, registry.Options{Transport: nobody}).Resolve(t.Context(),
			parseTag(t, host+"/app:1"))
		asked := slices.Sorted(slices.Values(nobody.requestedURLs()))
		if !slices.Equal(asked, want) {
			t.Errorf("asked %v, want %v: %v", asked, want, err)
		}
	}
}

// serveTLS serves a registry over TLS that lets only the user in. It returns its host and the file with its authority.
func serveTLS(t *testing.T) (host, caFile string) {
	t.Helper()
	server := httptest.NewTLSServer(requireBasicLogin("user",
		canary)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
	})))
	t.Cleanup(server.Close)
	server.Config.ErrorLog = quiet
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	if err := os.WriteFile(caFile, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return server.Listener.Addr().String(), caFile
}

func TestCAFile(t *testing.T) {
	t.Parallel()
	host, caFile := serveTLS(t)
	login := registry.Login{Address: host, Username: "user", Password: canary, CAFile: caFile}
	_, err := singleTryClient(dockerKeychain(t, `{}`, login)).Resolve(t.Context(), parseTag(t, host+"/app:1"))
	if err != nil {
		t.Error(err)
	}
	// The authority of one registry is not another's.
	other, _ := serveTLS(t)
	_, err = singleTryClient(dockerKeychain(t, `{}`, login)).Resolve(t.Context(), parseTag(t, other+"/app:1"))
	if !errors.Is(err, fault.ErrUnreachable) {
		t.Error(err)
	}
	// An entry with nothing but a file leaves the login to others.
	link := registry.Login{Address: host, CAFile: caFile}
	config := fmt.Sprintf(`{"auths":{"%s":{"auth":"dXNlcjpjYW5hcnktNDcxMQ=="}}}`, host)
	_, err = singleTryClient(dockerKeychain(t, config, link)).Resolve(t.Context(), parseTag(t, host+"/app:1"))
	if err != nil {
		t.Error(err)
	}
}

func TestCAFileErrors(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"/nowhere/ca.pem": "resolving ghcr.io/acme/app:1: the CA file of ghcr.io: open /nowhere/ca.pem: no such file " +
			"or directory",
		empty: "resolving ghcr.io/acme/app:1: the CA file " + empty +
			" of ghcr.io holds no PEM certificate",
	} {
		keychain := dockerKeychain(t, `{}`, registry.Login{Address: "ghcr.io", CAFile: file})
		_, err := singleTryClient(keychain).Resolve(t.Context(), parseTag(t, "ghcr.io/acme/app:1"))
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// TestCAFileThatIsALink holds that a CA file is not read if it is a link out of the project. A path that the program
// writes may lead anywhere.
func TestCAFileThatIsALink(t *testing.T) {
	t.Parallel()
	host, caFile := serveTLS(t)
	project := t.TempDir()
	link := filepath.Join(project, "ca.pem")
	if err := os.Symlink(caFile, link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{caFile: "", link: "it is a link to "} {
		login := registry.Login{Address: host, Username: "user", Password: canary, CAFile: path, Project: project}
		_, err := singleTryClient(dockerKeychain(t, `{}`, login)).Resolve(t.Context(), parseTag(t, host+"/app:1"))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

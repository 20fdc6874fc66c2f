package registry_test

import (
	"maps"
	"testing"
)

func TestKeychainProxies(t *testing.T) {
	t.Parallel()
	keychain := dockerKeychain(t, `{"proxies": {
		"default": {"httpProxy": "http://a:1", "noProxy": "b"},
		"tcp://engine:2376": {"httpsProxy": "http://c:1", "ftpProxy": "http://d:1", "allProxy": "http://e:1"}}}`)
	byDefault := map[string]string{"HTTP_PROXY": "http://a:1", "NO_PROXY": "b"}
	for host, want := range map[string]map[string]string{
		"": byDefault, "unix:///var/run/docker.sock": byDefault,
		"tcp://engine:2376": {
			"HTTPS_PROXY": "http://c:1", "FTP_PROXY": "http://d:1", "ALL_PROXY": "http://e:1",
		},
	} {
		if got, err := keychain.Proxies(t.Context(), host); err != nil || !maps.Equal(got, want) {
			t.Errorf("%q: got %v, %v", host, got, err)
		}
	}
	if got, err := dockerKeychain(t, `{}`).Proxies(t.Context(), ""); err != nil || len(got) > 0 {
		t.Errorf("without proxies: got %v, %v", got, err)
	}
	if _, err := dockerKeychain(t, `{`).Proxies(t.Context(), ""); err == nil {
		t.Error("no error for a file that cannot be read")
	}
}

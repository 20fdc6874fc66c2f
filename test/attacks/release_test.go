//go:build linux

package attacks

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The attacker serves the plugin's archives, or has replaced one of a release.

// With the checksum that docs/installation.md names, only the archive with that checksum is installed.
func TestAnArchiveThatWasReplacedIsNotInstalled(t *testing.T) {
	t.Parallel()
	archive := pluginArchive(t, "#!/bin/sh\n# ours\n")
	sum := sha256.Sum256(archive)
	for name, c := range map[string]struct {
		served []byte
		fails  string
	}{
		"ours":     {served: archive},
		"replaced": {served: pluginArchive(t, "#!/bin/sh\n# theirs\n"), fails: "invalid checksum"},
		"longer":   {served: append(bytes.Clone(archive), 0), fails: "invalid checksum"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(c.served)
			}))
			server.EnableHTTP2 = true // as GitHub has it
			server.StartTLS()
			t.Cleanup(server.Close)
			home := t.TempDir()
			authority := filepath.Join(home, "ca.pem")
			certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
			if err := os.WriteFile(authority, certificate, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), filepath.Join(shared.Bin, "pulumi"), "plugin", "install",
				"resource", "buildkit", "v1.2.3",
				"--server", server.URL, "--checksum", hex.EncodeToString(sum[:]))
			cmd.Dir = home
			cmd.Env = []string{"HOME=" + home, "PULUMI_HOME=" + home, "PULUMI_SKIP_UPDATE_CHECK=true",
				"SSL_CERT_FILE=" + authority, "PATH=/usr/bin:/bin"}
			out, err := cmd.CombinedOutput()
			if (err != nil) != (c.fails != "") || !strings.Contains(string(out), c.fails) {
				t.Errorf("%v:\n%s", err, out)
			}
			_, err = os.Stat(filepath.Join(home, "plugins/resource-buildkit-v1.2.3/pulumi-resource-buildkit"))
			if installed := err == nil; installed != (c.fails == "") {
				t.Errorf("installed: %v", installed)
			}
		})
	}
}

var (
	usesAction   = regexp.MustCompile(`uses: (\S+)(.*)`)
	pinnedAction = regexp.MustCompile(`^[\w-]+/[\w-]+(?:/[\w-]+)*@[0-9a-f]{40}$`)
	namedVersion = regexp.MustCompile(`^ # v\d+\.\d+\.\d+$`)
)

// The attacker has moved a tag of an action. Workflows name actions by commit, and have no permissions but those of
// their jobs. A checkout holds no login for what runs there, except in the one job that pushes a tag.
func TestAnActionThatWasReplacedIsNotRun(t *testing.T) {
	t.Parallel()
	workflows, err := filepath.Glob("../../.github/workflows/*.yml")
	actions, err2 := filepath.Glob("../../.github/actions/*/action.yml")
	if err != nil || err2 != nil || len(workflows) < 4 || len(actions) < 1 {
		t.Fatal(workflows, err, actions, err2)
	}
	for _, path := range append(workflows, actions...) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := string(content)
		for _, use := range usesAction.FindAllStringSubmatch(text, -1) {
			if !strings.HasPrefix(use[1], "./") &&
				(!pinnedAction.MatchString(use[1]) || !namedVersion.MatchString(use[2])) {
				t.Errorf("%s: %s%s is not a commit with its version", path, use[1], use[2])
			}
		}
		if slices.Contains(actions, path) {
			continue
		}
		if !strings.Contains(text, "\npermissions: {}\n") {
			t.Errorf("%s: a job has rights that it does not ask for", path)
		}
		without := strings.Count(text, "actions/checkout@") - strings.Count(text, "persist-credentials: false")
		if strings.HasSuffix(path, "publish.yml") {
			without-- // it pushes the Go SDK's tag
		}
		if without != 0 {
			t.Errorf("%s: %d checkouts keep a login", path, without)
		}
	}
}

// pluginArchive returns an archive of a plugin.
func pluginArchive(t *testing.T, script string) []byte {
	t.Helper()
	var archive bytes.Buffer
	compressed := gzip.NewWriter(&archive)
	files := tar.NewWriter(compressed)
	err := files.WriteHeader(&tar.Header{Name: "pulumi-resource-buildkit", Mode: 0o755, Size: int64(len(script))})
	if err == nil {
		_, err = files.Write([]byte(script))
	}
	for _, end := range []func() error{files.Close, compressed.Close} {
		if err == nil {
			err = end()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

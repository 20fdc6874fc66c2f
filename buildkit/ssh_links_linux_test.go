package buildkit

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// A link in the project must not lead to a key outside of it or to any agent. A path that the program names itself may.
func TestLinksToSSHAgents(t *testing.T) {
	t.Parallel()
	top, err := os.MkdirTemp("", "k") //nolint:usetesting // a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(top) })
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(block))
	writeFiles(t, top, map[string]string{"key": text, "p/key": text, "p/text": "CANARY"})
	for link, text := range map[string]string{
		"p/near": "key", "p/out": "../key", "p/agent": "../agent", "p/inner": "socket",
		"p/environ": "/proc/self/environ", "mine": "agent",
	} {
		if err := os.Symlink(text, filepath.Join(top, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, socket := range []string{"agent", "p/socket"} {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(top, socket))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
	}
	for path, want := range map[string]string{
		"key": "", "p/key": "", "p/near": "", "agent": "", "mine": "", "p/socket": "", "p/text": "no key found",
		"p/gone": "no such file",
		"p/out":  "out of the build context and the project", "p/environ": "out of the build context and the project",
		"p/agent": "out of the build context and the project",
		"p/inner": "no link of the project is followed to a socket",
	} {
		_, err := sshAttachables(
			file.Project(filepath.Join(top, "p")), []SSHAgent{{ID: "a", Paths: []string{filepath.Join(top, path)}}},
		)
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", path, err, want)
		case err != nil && (!errors.As(err, new(*AgentError)) || strings.Contains(err.Error(), "CANARY")):
			t.Errorf("%s: %v", path, err)
		}
	}
}

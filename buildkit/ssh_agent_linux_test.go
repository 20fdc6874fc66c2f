package buildkit_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// A step sees the socket of an agent, through which it could use a key of this machine. busybox has no SSH client.
func TestSSHAgentInAStep(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	plan := s.plan(t, "RUN --mount=type=ssh,id=deploy,required=true test -S \"$SSH_AUTH_SOCK\" && echo yes >/seen")
	built, err := s.solve(
		t.Context(), plan, buildkit.Access{SSH: []buildkit.SSHAgent{{ID: "deploy", Paths: []string{newKey(t, "")}}}},
	)
	if err != nil || s.fileContent(t, built, "seen") != "yes\n" {
		t.Errorf("got %v", err)
	}
}

func TestAgentErrors(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	locked, nokey := newKey(t, "passphrase"), filepath.Join(t.TempDir(), "nokey")
	writeFile(nokey, "no key")
	const mount = "RUN --mount=type=ssh,required=true true"
	cases := map[string]struct {
		agents []buildkit.SSHAgent
		want   string
	}{
		"no agent": {nil, "no SSH key \"\" forwarded from the client"},
		"no such key": {
			[]buildkit.SSHAgent{{ID: "default", Paths: []string{"/nowhere/key"}}},
			`ssh "default": open /nowhere/key: no such file or directory`,
		},
		"a locked key": {
			[]buildkit.SSHAgent{{ID: "default", Paths: []string{locked}}}, "this private key is passphrase protected",
		},
		"a file without a key": {
			[]buildkit.SSHAgent{{ID: "default", Paths: []string{nokey}}},
			`ssh "default": ["` + nokey + `"]: ssh: no key found`,
		},
		"two of one id": {
			[]buildkit.SSHAgent{{ID: "a", Paths: []string{newKey(t, "")}}, {ID: "a", Paths: []string{newKey(t, "")}}},
			`duplicate agent ID "a"`,
		},
		"keys and an agent": {
			[]buildkit.SSHAgent{{ID: "a", Paths: []string{newKey(t, ""), newSocket(t)}}},
			"invalid combination of keys and sockets",
		},
		"a socket and a key": {
			[]buildkit.SSHAgent{{ID: "a", Paths: []string{newSocket(t), newKey(t, "")}}}, "only single socket allowed",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := s.solve(t.Context(), s.plan(t, mount), buildkit.Access{SSH: c.agents})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
			if step, ok := errors.AsType[*buildkit.StepError](err); len(c.agents) == 0 &&
				(!ok || step.Fault != buildkit.NoKey) {
				t.Errorf("%T: %+v", err, step)
			}
		})
	}
}

// newKey returns the path of a new private key.
func newKey(t *testing.T, passphrase string) string {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key")
	writeFile(path, string(pem.EncodeToMemory(block)))
	return path
}

// newSocket returns the path of a Unix socket on which a server listens and never answers.
func newSocket(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return path
}

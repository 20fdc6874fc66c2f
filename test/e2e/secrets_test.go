//go:build linux

package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// secretsImage has two secrets. The step prints the first one, plain and in base64, and fails if the context says so.
const secretsImage = `
context: { location: . }
platforms: [linux/amd64]
tags: ["REPO:1"]
secrets: { given: CANARY-given }
secretSources: { read: { file: ./token } }
`

const secretsDockerfile = `FROM BUSYBOX
COPY fail /
RUN --mount=type=secret,id=given --mount=type=secret,id=read,required=true \
    echo "it is $(cat /run/secrets/given)" && base64 </run/secrets/given && cat /run/secrets/read && test ! -s /fail
`

// Neither the output nor the state shows a secret, in an update that succeeds or fails. Another value causes no build.
func TestSecretsAreNotLeaked(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, secretsImage,
		map[string]string{"Dockerfile": secretsDockerfile, "fail": "yes", "token": "CANARY-read\n"}))
	failed := s.Up("--skip-preview")
	fails(t, failed, "it is [secret]")
	checkNoCanary(t, s, failed)
	must(t, s.Write("fail", ""))
	built := s.Up("--skip-preview")
	succeeds(t, built, "+ 1 created")
	checkNoCanary(t, s, built)
	must(t, s.Write("token", "CANARY-another"))
	program, err := os.ReadFile(filepath.Join(s.Dir, "Pulumi.yaml"))
	must(t, err)
	must(t, s.Write("Pulumi.yaml", strings.ReplaceAll(string(program), "CANARY-given", "CANARY-rotated")))
	unchanged := s.Up("--expect-no-changes")
	succeeds(t, unchanged)
	checkNoCanary(t, s, unchanged)
	succeeds(t, s.Destroy("--skip-preview"))
}

// A missing secret fails the preview, because the preview builds.
func TestMissingSecret(t *testing.T) {
	t.Parallel()
	properties := strings.Replace(secretsImage, "file: ./token", "env: NOT_SET_HERE", 1)
	s := open(t, project(t, properties, map[string]string{"Dockerfile": secretsDockerfile, "fail": ""}))
	fails(t, s.Preview(),
		`the secret "read": the environment variable NOT_SET_HERE is not set: set it where pulumi runs`)
}

// checkNoCanary checks that no secret is in the output or in a file of the stack.
func checkNoCanary(t *testing.T, s *stack.Test, r stack.Result) {
	t.Helper()
	if strings.Contains(r.All(), "CANARY") || strings.Contains(r.All(), "Q0FOQVJZ") {
		t.Errorf("the output has a secret:\n%s", r.All())
	}
	root := filepath.Dir(s.Dir) // the state, the home and the temporary files too
	must(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || filepath.Dir(path) == s.Dir {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), "CANARY") {
			t.Errorf("%s has a secret:\n%s", path, text)
		}
		return err
	}))
}

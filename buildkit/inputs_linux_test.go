package buildkit_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/crypto/ssh"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// mustBuild builds a plan without any access.
func (s *stepBuilder) mustBuild(t *testing.T, plan inputs.Plan) buildkit.Built {
	t.Helper()
	built, err := s.solve(t.Context(), plan, buildkit.Access{})
	if err != nil {
		t.Fatal(err)
	}
	return built
}

func TestExtraHosts(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	plan := s.plan(t, "RUN grep -v localhost /etc/hosts >/hosts")
	plan.Hosts = []inputs.Host{
		{Name: "db.test", IP: netip.MustParseAddr("10.0.0.1")}, {Name: "six.test", IP: netip.MustParseAddr("fd00::1")},
	}
	if got := s.fileContent(t, s.mustBuild(t, plan), "hosts"); !strings.Contains(got, "10.0.0.1\tdb.test") ||
		!strings.Contains(got, "fd00::1\tsix.test") {
		t.Errorf("/etc/hosts: %q", got)
	}
}

func TestNetworkOfSteps(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	interfaces := func(network string) string {
		plan := s.plan(t, "RUN ls /sys/class/net | tr '\\n' ' ' >/nets")
		plan.Network = network
		return s.fileContent(t, s.mustBuild(t, plan), "nets")
	}
	if got := interfaces("none"); got != "lo " {
		t.Errorf("without a network a step sees %q", got)
	}
	if got := interfaces("host"); got == "lo " {
		t.Errorf("on the host's network a step sees %q", got)
	}
}

func TestNoCacheRunsEveryStepAgain(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	plan := s.plan(t, "RUN cat /proc/sys/kernel/random/uuid >/uuid")
	first := s.fileContent(t, s.mustBuild(t, plan), "uuid")
	if again := s.fileContent(t, s.mustBuild(t, plan), "uuid"); again != first {
		t.Errorf("%q, then %q: the step ran twice", first, again)
	}
	plan.NoCache = true
	if again := s.fileContent(t, s.mustBuild(t, plan), "uuid"); again == first {
		t.Error("the step did not run again")
	}
}

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
		"none": {nil, "no SSH key \"\" forwarded from the client"},
		"no such key": {
			[]buildkit.SSHAgent{{ID: "default", Paths: []string{"/nowhere/key"}}},
			`ssh "default": open /nowhere/key: no such file or directory`,
		},
		"a locked key": {
			[]buildkit.SSHAgent{{ID: "default", Paths: []string{locked}}}, "this private key is passphrase protected",
		},
		"something else": {
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

// Every test target is built before the image is pushed. If one fails, nothing is pushed.
func TestTestTargetsComeFirst(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	reg := registrytest.New(t)
	plan := s.plan(t, "")
	plan.Files.Inline = []byte("FROM " + s.base + " AS base\nCOPY code /\n" +
		"FROM base AS test\nCOPY wanted /\nRUN cmp /code /wanted\nFROM base AS lint\nRUN true\nFROM base")
	plan.TestTargets, plan.Repositories = []string{"test", "lint"}, []string{reg.Host() + "/app"}
	writeFile(filepath.Join(plan.Files.Context, "code"), "1")
	writeFile(filepath.Join(plan.Files.Context, "wanted"), "2")
	writeFile(filepath.Join(plan.Files.Context, "other"), "not read")
	_, err := s.solve(t.Context(), plan, buildkit.Access{})
	var step *buildkit.StepError
	if !errors.As(err, &step) || step.Step.Position != "test 2/2" ||
		!strings.Contains(err.Error(), "RUN cmp /code /wanted") {
		t.Errorf("got %v", err)
	}
	if puts := reg.Requests(); len(puts) > 0 {
		t.Errorf("the registry was asked: %v", puts)
	}
	before := loadHash(t, plan)
	writeFile(filepath.Join(plan.Files.Context, "wanted"), "1")
	if loadHash(t, plan) == before {
		t.Error("what only a test reads is not part of the hash")
	}
	if _, err := s.solve(t.Context(), plan, buildkit.Access{}); err != nil || len(reg.Requests()) == 0 {
		t.Errorf("got %v after %d requests", err, len(reg.Requests()))
	}
	before = loadHash(t, plan)
	writeFile(filepath.Join(plan.Files.Context, "other"), "still not read")
	if loadHash(t, plan) != before {
		t.Error("what neither reads is part of the hash")
	}
}

func loadHash(t *testing.T, plan inputs.Plan) string {
	t.Helper()
	in, err := inputs.Load(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	return in.Hash()
}

func TestAnnotationsAreOnTheManifestAndTheIndex(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	for name, platforms := range map[string][]string{
		"a manifest": {"linux/amd64"}, "an index": {"linux/amd64", "linux/arm64"},
	} {
		plan := s.plan(t, "")
		plan.Files.Inline = []byte("FROM scratch\nCOPY <<EOF /a\na\nEOF") // see TestPredict
		plan.Platforms, plan.Annotations = platforms, map[string]string{"org.example.a/b": "c, d=e"}
		root, manifests := s.annotations(t, s.mustBuild(t, plan).Digest)
		for _, found := range append(manifests, root) {
			if found["org.example.a/b"] != "c, d=e" {
				t.Errorf("%s: %v, %v", name, root, manifests)
			}
		}
	}
}

// annotations returns those of the document with this digest and of the manifests in it.
func (s *stepBuilder) annotations(t *testing.T, digest string) (root map[string]string, manifests []map[string]string) {
	t.Helper()
	m := s.document(t, digest)
	for _, child := range m.Manifests {
		own, _ := s.annotations(t, child.Digest.String())
		manifests = append(manifests, own)
	}
	return m.Annotations, manifests
}

// document is a manifest or an index.
type document struct {
	Annotations map[string]string
	Manifests   []v1.Descriptor
	Layers      []v1.Descriptor
}

func (s *stepBuilder) document(t *testing.T, digest string) (d document) {
	t.Helper()
	ref, err := name.NewDigest(s.repository + "@" + digest)
	if err != nil {
		t.Fatal(err)
	}
	described, err := remote.Get(ref, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(described.Manifest, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// With an epoch the same inputs make the same bytes, whatever the daemon, the folder and the age of the files.
func TestEpochMakesTheDigestReproducible(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	const dockerfile = "COPY . /x/\nRUN ls -la /x >/dev/null && date >/dev/null && mkdir /made && echo made >/made/file"
	digest := func(epoch *int64, age time.Duration) string {
		plan := s.plan(t, dockerfile)
		plan.Epoch, plan.Platforms = epoch, []string{"linux/amd64"}
		writeTree(t, plan.Files.Context, age)
		return s.mustBuild(t, plan).Digest
	}
	epoch := int64(1_700_000_000)
	first := digest(&epoch, 20*365*24*time.Hour)
	s.c = startSecondDaemon(t)
	if second := digest(&epoch, time.Hour); second != first {
		t.Errorf("%s here, %s there", first, second)
	}
	if without := digest(nil, time.Hour); without == first {
		t.Error("the epoch is of no effect")
	}
}

// writeTree makes a tree of files, folders and links of the given age.
func writeTree(t *testing.T, dir string, age time.Duration) {
	t.Helper()
	writeFile(filepath.Join(dir, "sub", "a"), "a")
	writeFile(filepath.Join(dir, "b"), "b")
	if err := os.Symlink("sub/a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-age)
	if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if path == filepath.Join(dir, "link") {
			return err
		}
		return errors.Join(err, os.Chtimes(path, then, then))
	}); err != nil {
		t.Fatal(err)
	}
}

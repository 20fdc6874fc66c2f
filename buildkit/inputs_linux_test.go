package buildkit_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

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
		t.Error("a change of a file that only a test target reads did not change the hash")
	}
	if _, err := s.solve(t.Context(), plan, buildkit.Access{}); err != nil || len(reg.Requests()) == 0 {
		t.Errorf("got %v after %d requests", err, len(reg.Requests()))
	}
	before = loadHash(t, plan)
	writeFile(filepath.Join(plan.Files.Context, "other"), "still not read")
	if loadHash(t, plan) != before {
		t.Error("a change of a file that no target reads changed the hash")
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
		t.Error("the digest is the same with and without the epoch")
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

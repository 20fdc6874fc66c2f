package provider

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// newEmbeddedProvider returns a provider that builds on the embedded daemon, and a registry.
func newEmbeddedProvider(t *testing.T) faultyRegistry {
	t.Helper()
	return newEmbeddedProviderWith(t, &settings{}, `"host": "local://"`)
}

// newEmbeddedProviderWith does the same as newEmbeddedProvider, with these settings and these builders.
func newEmbeddedProviderWith(t *testing.T, s *settings, builders string) faultyRegistry {
	t.Helper()
	f := faultyRegistry{ECR: registrytest.NewECR(t)}
	f.Repository("app", "")
	f.wire = dial(t, newProvider(s), `{`+builders+`,
		"ecr": {"endpoint": "`+f.Endpoint()+`", "region": "eu-west-1", "hosts": ["`+f.Host()+`"]}}`)
	return f
}

// contextWithFile returns a build context of 20 MiB.
func contextWithFile(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	content := make([]byte, 20<<20)
	for i := range content {
		content[i] = byte(i * i >> 7)
	}
	if err := os.WriteFile(filepath.Join(dir, "big"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// If the disk of the embedded daemon is full, its unused cache is removed and the image is built once more. If that
// does not help, the error names the folder and the free space.
func TestBuildOnAFullDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	daemontest.MountDisk(t, dir)
	t.Setenv("PULUMI_BUILDKIT_DAEMON_DIR", dir)
	t.Setenv("PULUMI_BUILDKIT_DAEMON_IDLE", "100ms")
	f := newEmbeddedProvider(t)
	tag := f.Host() + "/app:1"
	if _, err := f.applyIn(t, contextWithFile(t), "FROM scratch\nCOPY big /first", tag); err != nil {
		t.Fatal(err)
	}
	filler := daemontest.FillDisk(t, dir, 20<<20)
	if _, err := f.applyIn(t, contextWithFile(t), "FROM scratch\nCOPY big /second", tag); err != nil {
		t.Errorf("the disk was not freed: %v\n%s", err, f.logText())
	}
	const freeing = " has no space left: removing the build cache that no build uses, then building once more"
	if strings.Count(f.logText(), dir+freeing) != 1 {
		t.Errorf("the log does not say once that cache is removed:\n%s", f.logText())
	}
	held := f.Tags("app")["1"]

	daemontest.FillDisk(t, dir, 5<<20)
	_, err := f.applyIn(t, contextWithFile(t), "FROM scratch\nCOPY big /third\nCOPY big /fourth", tag)
	for _, want := range []string{
		"no space left on device", "that was the second try, after ",
		"the disk of the builder is full: " + dir + " has ",
		"or set PULUMI_BUILDKIT_DAEMON_DIR to a folder on another disk",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if f.Tags("app")["1"] != held {
		t.Error("the tag moved")
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if _, err := f.applyIn(t, contextWithFile(t), "FROM scratch\nCOPY big /fifth", tag); err != nil {
		t.Errorf("the daemon does not build on a disk that has space again: %v", err)
	}
}

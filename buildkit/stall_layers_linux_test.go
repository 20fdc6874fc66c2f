package buildkit_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

const testStallTimeout = 1500 * time.Millisecond

// writeRepository makes a bare git repository with a Dockerfile and a large file.
func writeRepository(t *testing.T, dir string) {
	t.Helper()
	work := t.TempDir()
	for name, content := range map[string][]byte{
		"Dockerfile": []byte("FROM scratch\nCOPY big /\n"), "big": noise(1 << 20),
	} {
		if err := os.WriteFile(filepath.Join(work, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"}, {"add", "."}, {"commit", "-qm", "x"},
		{"clone", "-q", "--bare", ".", filepath.Join(dir, "repo.git")},
	} {
		cmd := exec.Command(
			"git", append([]string{"-C", work, "-c", "user.name=t", "-c", "user.email=t@t"}, args...)...,
		)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
}

// writeArchive makes the archive of a context, most of which is noise.
func writeArchive(t *testing.T, dir string) {
	t.Helper()
	work := t.TempDir()
	writeAlike(t, work, map[string]string{"Dockerfile": "FROM scratch\nCOPY big /\n", "big": string(noise(1 << 20))})
	tar, err := exec.Command("tar", "-C", work, "-cf", "-", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(tar); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "app.tar.gz"), packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// solveAlone builds on a daemon that no other test uses at the same time, so that all of its traffic is that of this
// build.
func solveAlone(t *testing.T, b *testBuilder, plan inputs.Plan, access buildkit.Access) error {
	t.Helper()
	ctx, stop := context.WithTimeoutCause(t.Context(), caseLimit, errors.New("nobody ended the wait"))
	defer stop()
	inputs, err := inputs.Load(ctx, plan)
	if err != nil {
		t.Fatal(err)
	}
	access.Credentials, access.StallTimeout = noCredentials, testStallTimeout
	access.BytesRead = buildkit.ReadCounter(ctx, alone.Endpoint(t))
	_, err = buildkit.Solve(ctx, b.c, plan, inputs, access, func(buildkit.Event) {})
	return err
}

// A build ends if the server of a context stops in the middle. The error names the server. A slow server is no stall.
func TestStalledContextServer(t *testing.T) {
	t.Parallel()
	b := newTestBuilderOn(t, &alone)
	sources := map[string]struct {
		location, dockerfile string
		make                 func(*testing.T, string)
	}{
		"archive": {"/app.tar.gz", "", writeArchive},
		"git":     {"/repo.git#main", "", writeRepository},
		"ADD":     {"/app.tar.gz", "FROM scratch\nADD %s /\n", writeArchive},
		"ADD git": {"/repo.git#main", "FROM scratch\nADD %s /\n", writeRepository},
	}
	for name, s := range sources { //nolint:paralleltest // what one reads would be headway of another
		for pace, pause := range map[string]time.Duration{"silent": 0, "slow": 50 * time.Millisecond} {
			t.Run(name+" "+pace, func(t *testing.T) {
				dir := t.TempDir()
				s.make(t, dir)
				server := pacedServer(t, dir, 64<<10, pause)
				plan := inputs.Plan{Files: inputs.Files{Context: server.URL + s.location}}
				if s.dockerfile != "" {
					plan = inlinePlan(t.TempDir(), fmt.Sprintf(s.dockerfile, server.URL+s.location))
				}
				err := solveAlone(t, b, plan, buildkit.Access{})
				stalled, ok := errors.AsType[*buildkit.StalledSourceError](err)
				if pause > 0 && err != nil ||
					pause == 0 && (!ok || stalled.Host != strings.TrimPrefix(server.URL, "http://")) {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// A build ends if a registry stops in the middle of a base image's layer, or before its first byte. The error names the
// registry.
func TestStalledBaseImage(t *testing.T) {
	t.Parallel()
	b := newTestBuilderOn(t, &alone)
	cases := map[string]struct {
		after int
		pause time.Duration
	}{"at once": {0, 0}, "in the middle": {64 << 10, 0}, "slow": {64 << 10, 50 * time.Millisecond}}
	for name, c := range cases { //nolint:paralleltest // what one reads would be headway of another
		t.Run(name, func(t *testing.T) {
			registry := registrytest.New(t)
			base, layer := largeImage(t, registry.Host())
			pace := func(w http.ResponseWriter, req *http.Request, next http.Handler) {
				after := c.after
				if !strings.HasSuffix(req.URL.Path, layer) {
					after = 1 << 30
				} else if after == 0 {
					<-req.Context().Done()
					return
				}
				next.ServeHTTP(&pacedWriter{ResponseWriter: w, req: req, after: after, pause: c.pause}, req)
			}
			registry.Inject(registrytest.Rule{Method: http.MethodGet, Path: "/blobs/", Fault: pace})
			plan := inlinePlan(t.TempDir(), "FROM "+base+"\nCOPY a /\n")
			writeAlike(t, plan.Files.Context, map[string]string{"a": t.Name()})
			plan.Platforms, plan.Repositories = []string{"linux/amd64"}, []string{registrytest.New(t).Host() + "/image"}
			err := solveAlone(t, b, plan, buildkit.Access{})
			stalled, ok := errors.AsType[*buildkit.StalledSourceError](err)
			want := "base image " + registry.Host() + "/base:1"
			if c.pause > 0 && err != nil ||
				c.pause == 0 && (!ok || stalled.Host != registry.Host() || !strings.HasPrefix(stalled.What, want)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// largeImage pushes an image with one large layer, and returns its reference and the layer's digest.
func largeImage(t *testing.T, host string) (ref, layer string) {
	t.Helper()
	var archive bytes.Buffer
	work := t.TempDir()
	writeAlike(t, work, map[string]string{"big": string(noise(1 << 20))})
	cmd := exec.Command("tar", "-C", work, "-cf", "-", "big")
	cmd.Stdout = &archive
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	content := static.NewLayer(archive.Bytes(), types.OCIUncompressedLayer)
	image, err := mutate.AppendLayers(
		mutate.MediaType(mutate.ConfigMediaType(empty.Image, types.OCIConfigJSON), types.OCIManifestSchema1), content,
	)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(host + "/base:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, image); err != nil {
		t.Fatal(err)
	}
	digest, err := content.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return tag.Name(), digest.String()
}

// A step without output for longer than the StallTimeout runs to its end.
func TestSilentStepIsNoStall(t *testing.T) {
	t.Parallel()
	base := busybox(t)
	b := newTestBuilderOn(t, &alone)
	plan := inlinePlan(t.TempDir(), "FROM "+base+"\nRUN sleep 4 # "+fmt.Sprint(time.Now().UnixNano())+"\n")
	if err := solveAlone(t, b, plan, buildkit.Access{}); err != nil {
		t.Error(err)
	}
}

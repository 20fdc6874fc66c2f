package buildkit_test

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
)

func openFile(path string) func(context.Context) (buildkit.Sink, error) {
	return func(context.Context) (buildkit.Sink, error) { return buildkit.NewFile("", path) }
}

func openFolder(path string) func(context.Context) (buildkit.Sink, error) {
	return func(context.Context) (buildkit.Sink, error) { return buildkit.NewFolder("", path) }
}

// One build exports the image in every form and pushes it.
func TestExports(t *testing.T) {
	t.Parallel()
	s, dir := newStepBuilder(t), t.TempDir()
	at := func(name string) string { return filepath.Join(dir, "out", name) }
	plan := s.plan(t, "")
	plan.Files.Inline = []byte("FROM scratch\nCOPY <<EOF /a/b\nhello\nEOF")
	named := map[string]string{"name": "example.com/a:1,example.com/a:2"}
	built, err := s.solve(t.Context(), plan, buildkit.Access{Exports: []buildkit.Export{
		{Type: "local", Dir: at("files")},
		{Type: "tar", Open: openFile(at("files.tar"))},
		{Type: "oci", Open: openFile(at("oci.tar"))},
		{Type: "oci", Open: openFolder(at("layout")), Options: map[string]string{"compression": "zstd"}},
		{Type: "docker", Open: openFile(at("docker.tar")), Options: named},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if s.fileContent(t, built, "a/b") != "hello\n" {
		t.Error("the pushed image lacks the file a/b, or has another content in it")
	}
	if text, err := os.ReadFile(at("files/a/b")); err != nil || string(text) != "hello\n" {
		t.Errorf("files: %q, %v", text, err)
	}
	for name, want := range map[string][]string{
		"files.tar": {"a/b"}, "oci.tar": {"oci-layout", "index.json"}, "docker.tar": {"manifest.json"},
	} {
		entries := archiveNames(t, at(name))
		for _, path := range want {
			if !slices.Contains(entries, path) {
				t.Errorf("%s holds %v", name, entries)
			}
		}
	}
	var index document
	text, err := os.ReadFile(at("layout/index.json"))
	if err := errors.Join(err, json.Unmarshal(text, &index)); err != nil || len(index.Manifests) != 1 {
		t.Fatalf("layout: %s, %v", text, err)
	}
	if _, err := os.Stat(at("layout/blobs/sha256/" + index.Manifests[0].Digest.Hex)); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "out", ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A daemon keeps the compression that a layer got first. Neither an earlier build without a push nor another export of
// the same build decides about the compression of the pushed image.
func TestCompressionOfExports(t *testing.T) {
	t.Parallel()
	s, dir := newStepBuilder(t), t.TempDir()
	archive := func(name string, options map[string]string) buildkit.Access {
		return buildkit.Access{Exports: []buildkit.Export{
			{Type: "oci", Open: openFolder(filepath.Join(dir, name)), Options: options},
		}}
	}
	for name, c := range map[string]struct{ image, archive, wantImage, wantArchive string }{
		"only the image names one":   {"zstd", "", "zstd", "zstd"},
		"only the archive names one": {"", "zstd", "gzip", "zstd"},
		"each names another":         {"zstd", "gzip", "zstd", "gzip"},
	} {
		options := map[string]string{}
		if c.archive != "" {
			options["compression"] = c.archive
		}
		plan := s.plan(t, "")
		plan.Files.Inline = []byte("FROM scratch\nCOPY <<EOF /a\n" + name + "\nEOF")
		if c.image != "" {
			plan.ImageOptions = map[string]string{"compression": c.image}
		}
		preview := plan
		preview.Repositories, preview.WithoutImage = nil, true
		if _, err := s.solve(t.Context(), preview, archive(name+", earlier", options)); err != nil {
			t.Fatal(name, err)
		}
		built, err := s.solve(t.Context(), plan, archive(name, options))
		if err != nil {
			t.Fatal(name, err)
		}
		image, layout := s.document(t, built.Digest).Layers, layoutLayers(t, filepath.Join(dir, name))
		if !strings.HasSuffix(string(image[0].MediaType), c.wantImage) ||
			!strings.HasSuffix(string(layout[0].MediaType), c.wantArchive) {
			t.Errorf("%s: the image has %s, the archive has %s", name, image[0].MediaType, layout[0].MediaType)
		}
	}
}

// layoutLayers returns the layers of the only image of an OCI layout.
func layoutLayers(t *testing.T, folder string) []v1.Descriptor {
	t.Helper()
	read := func(path string) (d document) {
		text, err := os.ReadFile(filepath.Join(folder, path))
		if err := errors.Join(err, json.Unmarshal(text, &d)); err != nil {
			t.Fatal(err)
		}
		return d
	}
	index := read("index.json")
	return read("blobs/sha256/" + index.Manifests[0].Digest.Hex).Layers
}

func archiveNames(t *testing.T, path string) (names []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for reader := tar.NewReader(f); ; {
		h, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
}

// A build that fails changes no file at the paths of its exports.
func TestAFailedBuildExportsNothing(t *testing.T) {
	t.Parallel()
	s, dir := newStepBuilder(t), t.TempDir()
	writeFile(filepath.Join(dir, "image.tar"), "the last one")
	exports := []buildkit.Export{
		{Type: "oci", Open: openFile(filepath.Join(dir, "image.tar"))},
		{Type: "oci", Open: openFolder(filepath.Join(dir, "layout"))},
	}
	if _, err := s.solve(t.Context(), s.plan(t, "RUN false"), buildkit.Access{Exports: exports}); err == nil {
		t.Error("a build whose step fails returned no error")
	}
	refused := append(exports, buildkit.Export{Type: "oci", Open: openFile(filepath.Join(dir, "image.tar", "below"))})
	s.events = nil
	if _, err := s.solve(t.Context(), s.plan(t, "RUN true"), buildkit.Access{Exports: refused}); err == nil ||
		len(s.events) > 0 {
		t.Errorf("got %v after %v", err, s.events)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	hidden, _ := filepath.Glob(filepath.Join(dir, ".*"))
	if text, err := os.ReadFile(filepath.Join(dir, "image.tar")); err != nil || string(text) != "the last one" ||
		len(left)+len(hidden) != 1 {
		t.Errorf("left: %v, %v, %q, %v", left, hidden, text, err)
	}
}

// dockerEngine is a server that answers "docker load" as a Docker Engine does.
type dockerEngine struct {
	mu     sync.Mutex
	answer string   // what it says instead of loading
	loaded []string // names in the archives
}

func (e *dockerEngine) setAnswer(answer string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = answer
}

func (e *dockerEngine) loadedImages() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.loaded)
}

func (e *dockerEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Api-Version", "1.51")
	if !strings.HasSuffix(r.URL.Path, "/images/load") {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.answer != "" {
		_, _ = io.WriteString(w, e.answer)
		return
	}
	for reader := tar.NewReader(r.Body); ; {
		h, err := reader.Next()
		if err != nil {
			break
		}
		if h.Name == "manifest.json" {
			var images []struct{ RepoTags []string }
			_ = json.NewDecoder(reader).Decode(&images)
			e.loaded = append(e.loaded, images[0].RepoTags...)
		}
	}
	_, _ = io.WriteString(w, `{"stream":"Loaded image"}`+"\n")
}

// serve starts the engine and returns its address.
func (e *dockerEngine) serve(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "docker.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: e}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-ended })
	return "unix://" + path
}

func loadAccess(name string) buildkit.Access {
	return buildkit.Access{Exports: []buildkit.Export{{Type: "docker", Options: map[string]string{"name": name},
		Open: func(ctx context.Context) (buildkit.Sink, error) {
			address, err := engine.Current(ctx)
			if err != nil {
				return nil, err
			}
			return engine.LoadInto(ctx, address)
		}}}}
}

func TestLoadIntoAnEngine(t *testing.T) {
	e := &dockerEngine{}
	t.Setenv("DOCKER_HOST", e.serve(t))
	s := newStepBuilder(t)
	if _, err := s.solve(t.Context(), s.plan(t, "RUN true"), loadAccess("example.com/app:1")); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(e.loadedImages(), []string{"example.com/app:1"}) {
		t.Errorf("loaded %v", e.loadedImages())
	}
	if _, err := s.solve(t.Context(), s.plan(t, "RUN false"), loadAccess("example.com/app:2")); err == nil ||
		!strings.Contains(err.Error(), "RUN false") || len(e.loadedImages()) != 1 {
		t.Errorf("a failing build loads %v, %v", e.loadedImages(), err)
	}
	e.setAnswer(`{"errorDetail":{"message":"no space left"},"error":"no space left"}`)
	_, err := s.solve(t.Context(), s.plan(t, "RUN true"), loadAccess("example.com/app:3"))
	if err == nil || !strings.HasPrefix(err.Error(), "loading the image into the Docker Engine at unix:///") ||
		!strings.HasSuffix(err.Error(), ": no space left") {
		t.Errorf("got %v", err)
	}
}

func TestNoEngineAnswers(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
	s := newStepBuilder(t)
	_, err := s.solve(t.Context(), s.plan(t, "RUN true"), loadAccess("a"))
	const want = "no Docker Engine answers at unix:///nowhere/docker.sock (DOCKER_HOST): "
	if err == nil || !strings.HasPrefix(err.Error(), want) || len(s.events) > 0 {
		t.Errorf("got %v after %v", err, s.events)
	}
}

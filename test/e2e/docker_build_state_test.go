//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/dockerbuild"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// openMoved opens a stack with the recorded images of a version of docker-build that the names select; none select all.
// The program names our package, and each image that was pushed is in a registry of the test.
func openMoved(t *testing.T, version string, names ...string) *movedStack {
	t.Helper()
	s := &movedStack{registry: registrytest.New(t)}
	files := fstest.MapFS{"exports-local/out/exported": {Data: []byte("by docker-build"), Mode: 0o644}}
	s.images = readPrograms(t, version, s.registry.Host(), files)
	if len(names) > 0 {
		s.images = slices.DeleteFunc(s.images, func(r *recordedImage) bool { return !slices.Contains(names, r.name) })
	}
	resources := map[string]any{}
	for _, r := range s.images {
		maps.Copy(resources, r.resources)
	}
	program, err := json.Marshal(resources)
	must(t, err)
	program = fmt.Appendf(nil, "name: moved\nruntime: yaml\nresources: %s\n", program)
	files["Pulumi.yaml"] = &fstest.MapFile{Data: program}
	s.Test = stack.New(t, stack.Config{Bin: shared.Bin, Program: files, Daemon: shared.Daemon, Idle: 5 * time.Second})
	s.importState(t)
	return s
}

// importState pushes an image for each of docker-build's and imports the state with its digest. The hash of the files
// is computed anew, because the registry's name in them differs. TestHashIsThatOfDockerBuild checks recorded hashes.
func (s *movedStack) importState(t *testing.T) {
	t.Helper()
	var resources []any
	seen := map[string]bool{}
	for _, r := range s.images {
		for _, resource := range r.state {
			resource := resource.(map[string]any)
			if resource["type"] == "docker-build:index:Image" {
				resource = s.withImage(t, r, resource)
			}
			if urn := resource["urn"].(string); !seen[urn] {
				seen[urn] = true
				resources = append(resources, resource)
			}
		}
	}
	importResources(t, s.Test, resources)
}

// importResources makes resources the state of a stack. Their secrets are plain; the import encrypts them.
func importResources(t *testing.T, s *stack.Test, resources []any) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"version": 3, "deployment": map[string]any{
		"manifest":          map[string]any{"time": time.Now(), "magic": "", "version": ""},
		"secrets_providers": secretsProvider(t, s),
		"resources":         resources,
	}})
	must(t, err)
	path := filepath.Join(t.TempDir(), "state.json")
	must(t, os.WriteFile(path, text, 0o600))
	succeeds(t, cli(t, s, "stack", "import", "--file", path))
}

// secretsProvider returns the secrets provider of the stack, as a state has it.
func secretsProvider(t *testing.T, s *stack.Test) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Dir, "Pulumi.dev.yaml"))
	must(t, err)
	fields := regexp.MustCompile(`(?m)^secretsprovider: (\S+)\nencryptedkey: (\S+)$`).FindStringSubmatch(string(text))
	if fields == nil {
		t.Fatalf("the configuration names no secrets provider:\n%s", text)
	}
	return map[string]any{"type": "cloud", "state": map[string]string{"url": fields[1], "encryptedkey": fields[2]}}
}

// withImage pushes an image to the tags of the resource, if there are any, and returns the resource with its digest and
// the hash of the files.
func (s *movedStack) withImage(t *testing.T, r *recordedImage, resource map[string]any) map[string]any {
	t.Helper()
	text, err := json.Marshal(resource)
	must(t, err)
	var state struct {
		Outputs struct {
			Tags        []string
			Platforms   []string
			ContextHash string
			Dockerfile  struct{ Location string }
			Context     struct {
				Location string
				Named    map[string]struct{ Location string }
			}
		}
	}
	must(t, json.Unmarshal(text, &state))
	out := state.Outputs
	r.tags = out.Tags
	content := newContent(t, out.Platforms)
	for _, tag := range r.tags {
		r.digest = s.registry.Push(t, strings.TrimPrefix(tag, s.registry.Host()+"/"), content)
	}
	files := dockerbuild.Files{Context: filepath.Join(s.Dir, out.Context.Location), Named: map[string]string{}}
	if out.Dockerfile.Location != "" {
		files.Dockerfile = filepath.Join(s.Dir, out.Dockerfile.Location)
	}
	for name, named := range out.Context.Named {
		files.Named[name] = filepath.Join(s.Dir, named.Location)
	}
	hash, err := dockerbuild.Hash(t.Context(), files)
	must(t, err)
	text = bytes.ReplaceAll(digestText.ReplaceAll(text, []byte(r.digest)), []byte(out.ContextHash), []byte(hash))
	changed := map[string]any{}
	must(t, json.Unmarshal(text, &changed))
	return changed
}

// newContent returns an image for the platforms: an index if there are several.
func newContent(t *testing.T, platforms []string) remote.Taggable {
	t.Helper()
	if len(platforms) > 1 {
		return registrytest.Index(t, platforms...)
	}
	return registrytest.Image(t, "linux/"+runtime.GOARCH)
}

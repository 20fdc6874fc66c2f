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

// The stacks that docker-build itself has deployed. programs has a folder for each: the program and its files. states
// has a folder for each version of docker-build, with the state that one pulumi up with the real plugin left.
//
// REGISTRY stands for the registry. Each program has one image called "image".
const (
	dockerBuildPrograms = "testdata/docker-build/programs"
	dockerBuildStates   = "testdata/docker-build/states"
)

// recordedImage is one recorded stack, which becomes an image of a stack that has all of them.
type recordedImage struct {
	name      string         // of the recorded stack, and of the image
	resources map[string]any // of the program
	state     []any          // the resources
	tags      []string
	digest    string // "" if nothing was pushed
}

// readPrograms reads the recorded stacks of a version. It adds their files to files, in a folder for each.
func readPrograms(t *testing.T, version, registry string, files fstest.MapFS) (images []*recordedImage) {
	t.Helper()
	states, err := filepath.Glob(filepath.Join(dockerBuildStates, version, "*.json"))
	must(t, err)
	for _, path := range states {
		r := &recordedImage{name: strings.TrimSuffix(filepath.Base(path), ".json")}
		replaced := strings.NewReplacer("REGISTRY/base:1", shared.Base, "REGISTRY", registry)
		read := func(path string) []byte {
			text, err := os.ReadFile(path)
			must(t, err)
			return []byte(replaced.Replace(string(text)))
		}
		folder := filepath.Join(dockerBuildPrograms, r.name)
		must(t, filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() && entry.Name() != "Pulumi.yaml" {
				name := r.name + strings.TrimPrefix(path, folder)
				files[name] = &fstest.MapFile{Data: read(path), Mode: 0o644}
			}
			return err
		}))
		r.readProgram(t, read(filepath.Join(folder, "Pulumi.yaml")))
		r.readState(t, read(path))
		images = append(images, r)
	}
	return images
}

// inFolder moves relative paths of a program or state into the folder of the recorded stack.
func (r *recordedImage) inFolder(text []byte) []byte {
	return relativePath.ReplaceAll(text, []byte(`"${1}${3}`+r.name+`/${2}${4}`))
}

// relativePath matches the paths in the recorded programs and states.
var relativePath = regexp.MustCompile(`"(\./|)(app/Dockerfile|app")|"(\./)(lib"|out")`)

// readProgram renames the package in a program, names the image after the stack, and adds the alias that YAML needs.
func (r *recordedImage) readProgram(t *testing.T, text []byte) {
	t.Helper()
	var program struct{ Resources map[string]map[string]any }
	must(t, json.Unmarshal(r.inFolder(text), &program))
	r.resources = map[string]any{}
	for name, resource := range program.Resources {
		resource["type"] = strings.Replace(resource["type"].(string), "docker-build", "buildkit", 1)
		if name != "image" {
			r.resources[name] = resource
			continue
		}
		options, _ := resource["options"].(map[string]any)
		if options == nil {
			options = map[string]any{}
		}
		options["aliases"] = []any{map[string]any{"type": "docker-build:index:Image"}}
		resource["options"] = options
		r.resources[r.name] = resource
	}
}

// readState names the image of a state after its stack, and every stack "dev".
func (r *recordedImage) readState(t *testing.T, text []byte) {
	t.Helper()
	text = bytes.ReplaceAll(text, []byte("urn:pulumi:s-"+r.name+"::"), []byte("urn:pulumi:dev::"))
	text = bytes.ReplaceAll(text, []byte("::moved-s-"+r.name), []byte("::moved-dev"))
	text = bytes.ReplaceAll(text, []byte("index:Image::image"), []byte("index:Image::"+r.name))
	text = providerID.ReplaceAll(text, []byte("00000000-0000-4000-8000-000000000000"))
	var state struct{ Deployment struct{ Resources []any } }
	must(t, json.Unmarshal(r.inFolder(text), &state))
	decrypt(state.Deployment.Resources, "")
	r.state = state.Deployment.Resources
}

var (
	providerID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	digestText = regexp.MustCompile(`sha256:[0-9a-f]{64}`)
)

// secretMark is the key that marks a secret in a state.
const secretMark = "4dabf18193072939515e22adb298388d"

// secretTexts are the secrets of the recorded programs, by input, as JSON.
var secretTexts = map[string]string{"password": `"pw"`, "secrets": `{"token":"hunter2"}`}

// decrypt replaces the secrets in a state, which have another passphrase, by plain ones. The import encrypts them.
func decrypt(v any, key string) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			decrypt(e, key)
		}
	case map[string]any:
		if _, ok := v[secretMark]; ok {
			delete(v, "ciphertext")
			v["plaintext"] = secretTexts[key]
			return
		}
		for k, e := range v {
			decrypt(e, k)
		}
	}
}

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
	text, err := json.Marshal(map[string]any{"version": 3, "deployment": map[string]any{
		"manifest":          map[string]any{"time": time.Now(), "magic": "", "version": ""},
		"secrets_providers": map[string]any{"type": "passphrase", "state": map[string]string{"salt": s.salt(t)}},
		"resources":         resources,
	}})
	must(t, err)
	path := filepath.Join(t.TempDir(), "state.json")
	must(t, os.WriteFile(path, text, 0o600))
	succeeds(t, cli(t, s.Test, "stack", "import", "--file", path))
}

// salt returns the salt with which the stack encrypts secrets.
func (s *movedStack) salt(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Dir, "Pulumi.dev.yaml"))
	must(t, err)
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimPrefix(line, "encryptionsalt: ")
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

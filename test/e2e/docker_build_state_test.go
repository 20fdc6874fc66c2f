//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/dockerbuild"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// openMoved opens a stack that docker-build has deployed. folder has the program, its files and the state that one
// pulumi up with the real plugin left. REGISTRY stands for the registry in all of them.
func openMoved(t *testing.T, folder string) *movedStack {
	t.Helper()
	s := &movedStack{name: filepath.Base(folder), registry: registrytest.New(t)}
	files := readRecorded(t, folder, s.registry.Host())
	state := files["state.json"].Data
	delete(files, "state.json")
	files["Pulumi.yaml"].Data = renameInProgram(t, files["Pulumi.yaml"].Data)
	s.Test = stack.New(t, stack.Config{Bin: shared.Bin, Program: files, Daemon: shared.Daemon, Idle: 5 * time.Second})
	s.importState(t, state)
	return s
}

// readRecorded reads the files of a recorded stack, with the tests' registry and base image.
func readRecorded(t *testing.T, folder, registry string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), "Pulumi.s-") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		text := strings.ReplaceAll(string(data), "REGISTRY/base:1", shared.Base)
		text = strings.ReplaceAll(text, "REGISTRY", registry)
		files[filepath.ToSlash(name)] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
		return err
	})
	must(t, err)
	files["out/exported"] = &fstest.MapFile{Data: []byte("by docker-build"), Mode: 0o644} // of a local export
	return files
}

// renameInProgram changes the package of a program, and adds the alias that YAML needs.
func renameInProgram(t *testing.T, program []byte) []byte {
	t.Helper()
	var p map[string]any
	must(t, json.Unmarshal(program, &p))
	for _, r := range p["resources"].(map[string]any) {
		resource := r.(map[string]any)
		kind := resource["type"].(string)
		resource["type"] = strings.Replace(kind, "docker-build", "buildkit", 1)
		if kind != "docker-build:Image" {
			continue
		}
		options, _ := resource["options"].(map[string]any)
		if options == nil {
			options = map[string]any{}
		}
		options["aliases"] = []any{map[string]any{"type": "docker-build:index:Image"}}
		resource["options"] = options
	}
	text := []byte("name: moved\nruntime: yaml\n")
	for _, section := range []string{"resources", "outputs"} {
		value, err := json.Marshal(p[section])
		must(t, err)
		text = fmt.Appendf(text, "%s: %s\n", section, value)
	}
	return text
}

// importState pushes an image as docker-build's and imports the state with its digest. The hash of the files is
// computed anew, because the registry's name in them differs. TestHashIsThatOfDockerBuild checks the recorded hashes.
func (s *movedStack) importState(t *testing.T, text []byte) {
	t.Helper()
	text = stackName.ReplaceAll(text, []byte("$1:dev::"))
	text = bytes.ReplaceAll(text, []byte("::moved-s-"+s.name), []byte("::moved-dev"))
	var state struct {
		Version    int            `json:"version"`
		Deployment map[string]any `json:"deployment"`
	}
	must(t, json.Unmarshal(text, &state))
	state.Deployment["secrets_providers"] = map[string]any{
		"type": "passphrase", "state": map[string]string{"salt": s.salt(t)},
	}
	for _, r := range state.Deployment["resources"].([]any) {
		if resource := r.(map[string]any); resource["type"] == "docker-build:index:Image" {
			s.pushFor(t, resource["outputs"].(map[string]any))
		}
	}
	decrypt(state.Deployment, "")
	text, err := json.Marshal(state)
	must(t, err)
	text = digestText.ReplaceAll(text, []byte(s.digest))
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

var (
	stackName  = regexp.MustCompile(`(urn:pulumi):s-[a-z-]+::`)
	digestText = regexp.MustCompile(`sha256:[0-9a-f]{64}`)
)

// pushFor pushes an image to the tags of the outputs, unless nothing was pushed, and sets their hash.
func (s *movedStack) pushFor(t *testing.T, outputs map[string]any) {
	t.Helper()
	text, err := json.Marshal(outputs)
	must(t, err)
	var build struct {
		Tags       []string
		Platforms  []string
		Dockerfile struct{ Location string }
		Context    struct {
			Location string
			Named    map[string]struct{ Location string }
		}
	}
	must(t, json.Unmarshal(text, &build))
	s.tags = build.Tags
	content := newContent(t, build.Platforms)
	for _, tag := range s.tags {
		s.digest = s.registry.Push(t, strings.TrimPrefix(tag, s.registry.Host()+"/"), content)
	}
	files := dockerbuild.Files{Context: filepath.Join(s.Dir, build.Context.Location), Named: map[string]string{}}
	if build.Dockerfile.Location != "" {
		files.Dockerfile = filepath.Join(s.Dir, build.Dockerfile.Location)
	}
	for name, named := range build.Context.Named {
		files.Named[name] = filepath.Join(s.Dir, named.Location)
	}
	outputs["contextHash"], err = dockerbuild.Hash(t.Context(), files)
	must(t, err)
}

// newContent returns an image for the platforms: an index if there are several.
func newContent(t *testing.T, platforms []string) remote.Taggable {
	t.Helper()
	if len(platforms) > 1 {
		return registrytest.Index(t, platforms...)
	}
	return registrytest.Image(t, "linux/"+runtime.GOARCH)
}

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

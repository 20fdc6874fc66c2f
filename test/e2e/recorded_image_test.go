//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
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

//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// typescript checks and compiles programs in TypeScript in a folder of .cache, with the packages that .tools/aws pins.
type typescript struct{ folder string }

const compilerOptions = `{
  "compilerOptions": {
    "strict": true, "target": "ES2020", "module": "commonjs", "moduleResolution": "node",
    "skipLibCheck": true, "incremental": true,
    "rootDir": ".", "outDir": "out", "baseUrl": ".", "paths": { "@pulumi-buildkit/buildkit": ["sdk-nodejs"] }
  },
  "files": [%s]
}`

// newTypeScript checks and compiles the programs together with the SDK of this provider.
func newTypeScript(t *testing.T, programs ...string) typescript {
	t.Helper()
	for _, name := range []string{"node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("NOT RUN: %s is not on PATH: install Node.js 20 to check the examples in TypeScript", name)
		}
	}
	folder, err := filepath.Abs("../../.cache/aws")
	if err != nil {
		t.Fatal(err)
	}
	ts := typescript{folder}
	ts.install(t)
	files := make([]string, len(programs))
	for i, program := range programs {
		ts.copy(t, "../../examples/"+program, program)
		files[i] = fmt.Sprintf("%q", program+"/index.ts")
	}
	ts.copy(t, "../../sdk/nodejs", "sdk-nodejs")
	ts.write(t, "tsconfig.json", fmt.Sprintf(compilerOptions, strings.Join(files, ", ")))
	ts.run(t, "node_modules/.bin/tsc", "-p", ".")
	ts.copy(t, "../../sdk/nodejs/package.json", "out/sdk-nodejs/package.json")
	ts.copy(t, "testdata/typescript/run.js", "out/run.js")
	ts.write(t, "out/node_modules/@pulumi-buildkit/buildkit/index.js",
		`module.exports = require("../../../sdk-nodejs");`)
	return ts
}

// install fetches the packages with npm, unless the pinned ones are installed.
func (ts typescript) install(t *testing.T) {
	t.Helper()
	pinned, err := os.ReadFile("../../.tools/aws/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	installed, _ := os.ReadFile(filepath.Join(ts.folder, "installed.json"))
	if bytes.Equal(pinned, installed) {
		return
	}
	ts.copy(t, "../../.tools/aws/package.json", "package.json")
	ts.copy(t, "../../.tools/aws/package-lock.json", "package-lock.json")
	ts.run(t, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	ts.write(t, "installed.json", string(pinned))
}

// copy replaces a path below the folder by a file or a tree.
func (ts typescript) copy(t *testing.T, from, to string) {
	t.Helper()
	to = filepath.Join(ts.folder, to)
	info, err := os.Stat(from)
	if err == nil && info.IsDir() {
		err = errors.Join(os.RemoveAll(to), os.CopyFS(to, os.DirFS(from)))
	} else if err == nil {
		var text []byte
		text, err = os.ReadFile(from)
		err = errors.Join(err, os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, text, 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (ts typescript) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(ts.folder, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// run runs a program in the folder, for at most 5 minutes, and returns its output.
func (ts typescript) run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if strings.Contains(name, "/") {
		name = filepath.Join(ts.folder, name)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = ts.folder
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s%s", name, args, err, out, said.String())
	}
	return out
}

// registeredResources are the inputs of the resources that a program registered, by "type name".
type registeredResources map[string]map[string]any

// up runs a program. The real provider builds its images and pushes them to Amazon ECR. files replace those of the
// example that need the internet.
func (ts typescript) up(t *testing.T, a amazon, program, config string, files map[string]string) registeredResources {
	t.Helper()
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		inputs, _ := io.ReadAll(req.Body)
		outputs, err := a.createResource(t, strings.TrimPrefix(req.URL.Path, "/"), inputs, files)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(outputs)
	}))
	defer provider.Close()
	var got struct{ Resources registeredResources }
	said := ts.run(t, "node", "out/run.js", "./"+program, program, config, provider.URL)
	if err := json.Unmarshal(said, &got); err != nil {
		t.Fatalf("%v in %s", err, said)
	}
	return got.Resources
}

// createResource does the work of a provider for one resource, and returns its outputs.
func (a amazon) createResource(t *testing.T, kind string, inputs []byte, files map[string]string) (outputs any,
	err error) {
	if kind == "aws:ecr/repository:Repository" {
		var repository struct {
			Name, ImageTagMutability           string
			ImageTagMutabilityExclusionFilters []struct{ Filter string }
		}
		err := json.Unmarshal(inputs, &repository)
		var exclusions []string
		for _, f := range repository.ImageTagMutabilityExclusionFilters {
			exclusions = append(exclusions, f.Filter)
		}
		a.Repository(repository.Name, repository.ImageTagMutability, exclusions...)
		return map[string]string{"repositoryUrl": a.Host() + "/" + repository.Name}, err
	}
	s := a.open(t, program(t, "resources: { image: { type: \"buildkit:Image\", properties: "+string(inputs)+" } }",
		files), "AKIATS")
	if result := s.Up("--skip-preview"); result.Code != 0 {
		return nil, errors.New(result.All())
	}
	return image(t, s).Outputs, nil
}

// Pulumi's packages accept the examples, and the examples deploy the very image that was pushed: an index to Fargate,
// the manifest of one platform to Lambda.
func TestTypeScriptWithAWS(t *testing.T) {
	t.Parallel()
	ts := newTypeScript(t, "ecr-fargate", "ecr-lambda")
	t.Run("Fargate", func(t *testing.T) {
		t.Parallel()
		a := newAmazon(t)
		made := ts.up(t, a, "ecr-fargate", `{"ecr-fargate:subnets": "[\"subnet-1\"]"}`, map[string]string{
			"app/Dockerfile": "FROM BUSYBOX\nCOPY www /www\n", "app/www/index.html": "hello",
		})
		var containers []struct{ Image string }
		definition, _ := made["aws:ecs/taskDefinition:TaskDefinition web"]["containerDefinitions"].(string)
		if err := json.Unmarshal([]byte(definition), &containers); err != nil {
			t.Fatal(err)
		}
		if want := a.Host() + "/shop/web@" + a.Tags("shop/web")["latest"]; len(containers) != 1 ||
			containers[0].Image != want {
			t.Errorf("the task runs %v, want %s", containers, want)
		}
		if len(a.Tags("shop/web")) != 2 || made["aws:ecs/service:Service web"]["taskDefinition"] == nil {
			t.Errorf("the tags are %v, made %v", a.Tags("shop/web"), made)
		}
	})
	t.Run("Lambda", func(t *testing.T) {
		t.Parallel()
		a := newAmazon(t)
		made := ts.up(t, a, "ecr-lambda", `{}`,
			map[string]string{"function/Dockerfile": "FROM scratch\nCOPY index.mjs /\n", "function/index.mjs": "x"})
		uri := fmt.Sprint(made["aws:lambda/function:Function hello"]["imageUri"])
		repository, digest, _ := strings.Cut(uri, "@")
		if kind := a.mediaType(t, digest); repository != a.Host()+"/hello" ||
			kind != "application/vnd.oci.image.manifest.v1+json" {
			t.Errorf("Lambda is given %s, of type %s", uri, kind)
		}
	})
}

// mediaType returns the media type of an image in the repository hello.
func (a amazon) mediaType(t *testing.T, digest string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.Endpoint()+"/v2/hello/manifests/"+digest, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("AWS", a.Token())
	req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.Header.Get("Content-Type")
}

// Runs the example with registries on this machine.
func TestTwoRegistries(t *testing.T) {
	t.Parallel()
	hub, ghcr := registrytest.New(t, registrytest.Login("me", "hub-token")), registrytest.New(t,
		registrytest.Login("me", "gh-token"))
	text, err := os.ReadFile("../../examples/registries/Pulumi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, sections, _ := strings.Cut(strings.NewReplacer("docker.io", hub.Host(), "ghcr.io",
		ghcr.Host()).Replace(string(text)), "config:")
	s := open(t, program(t, "config:"+sections,
		map[string]string{"app/Dockerfile": "FROM BUSYBOX\nCOPY hello.txt /\n", "app/hello.txt": "hello"}))
	cli(t, s, "config", "set-all", "--plaintext", "dockerHubUser=me", "--secret", "dockerHubToken=hub-token",
		"--plaintext", "githubUser=me", "--secret", "githubToken=gh-token")
	succeeds(t, s.Up("--skip-preview"), hub.Host()+"/me/app:1.0.0", ghcr.Host()+"/me/app:1.0.0")
}

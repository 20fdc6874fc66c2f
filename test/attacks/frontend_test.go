//go:build linux

package attacks

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// The attacker writes the Dockerfile, which names a frontend of the attacker. A frontend is a program that the builder
// runs and that decides what is built.

// serveEvilFrontend starts a registry with an image for attacks to name as a frontend, and returns its reference.
func serveEvilFrontend(t *testing.T) (registry *registrytest.Registry, ref string) {
	t.Helper()
	registry = registrytest.New(t)
	if _, err := stack.PushBusybox(t.Context(), "../../.cache/fixtures", registry.Host()); err != nil {
		t.Fatal(err)
	}
	return registry, registry.Host() + "/busybox:latest"
}

// countRequests returns how many requests the registry has answered since it was filled.
func countRequests(registry *registrytest.Registry) (n int) {
	for _, r := range registry.Requests() {
		if r.Method == http.MethodGet {
			n++
		}
	}
	return n
}

func TestAFrontendThatNobodyAllowed(t *testing.T) {
	t.Parallel()
	const local = "context: { location: . }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\n"
	plain := map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"}
	cases := map[string]struct {
		properties string
		files      map[string]string
	}{
		"syntax":        {local, map[string]string{"Dockerfile": "# syntax=EVIL\nFROM scratch\nCOPY Dockerfile /\n"}},
		"slashes":       {local, map[string]string{"Dockerfile": "// syntax=EVIL\nFROM scratch\n"}},
		"json":          {local, map[string]string{"Dockerfile": `{"syntax": "EVIL"}`}},
		"shebang":       {local, map[string]string{"Dockerfile": "#!/usr/bin/env x\n# syntax=EVIL\nFROM scratch\n"}},
		"words":         {local, map[string]string{"Dockerfile": "# syntax=EVIL docker/dockerfile:1\nFROM scratch\n"}},
		"official name": {local, map[string]string{"Dockerfile": "# syntax=HOST/docker/dockerfile:1\nFROM scratch\n"}},
		"argument":      {local + "buildArgs: { BUILDKIT_SYNTAX: EVIL }\n", plain},
		"provenance": {local + "provenance: { mode: max }\n",
			map[string]string{"Dockerfile": "# syntax=EVIL\nFROM scratch\nCOPY Dockerfile /\n"}},
		"inline": {local + "dockerfile: { inline: \"# syntax=EVIL\\nFROM scratch\\n\" }\n", plain},
		"a test": {local + "testTargets: [x]\n",
			map[string]string{"Dockerfile": "# syntax=EVIL\nFROM scratch AS x\n"}},
		"git": {"context: { location: \"GIT\" }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\n", nil},
		"git, max": {"context: { location: \"GIT\" }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\n" +
			"provenance: { mode: max }\n", nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			evil, ref := serveEvilFrontend(t)
			before := countRequests(evil)
			replace := strings.NewReplacer("EVIL", ref, "HOST", evil.Host())
			files := map[string]string{}
			for path, text := range c.files {
				files[path] = replace.Replace(text)
			}
			properties := replace.Replace(c.properties)
			if strings.Contains(properties, "GIT") {
				site := gitServer(t, map[string]string{"Dockerfile": "# syntax=" + ref + "\nFROM scratch\n"}, "", nil)
				properties = strings.ReplaceAll(properties, "GIT", site+"/repo.git#main")
			}
			s := shared.Open(t, shared.Project(t, properties, files))
			want := []string{"it was not run", "pulumi config set --path 'buildkit:frontends[0]' " + evil.Host() + "/"}
			stack.Fails(t, s.Preview(), want...)
			if name == "syntax" {
				stack.Fails(t, s.Up("--skip-preview"), want...)
			}
			if n := countRequests(evil) - before; n != 0 {
				t.Errorf("the registry of the frontend was asked %d times", n)
			}
		})
	}
}

// The command in the refusal allows the frontend. A named context allows it too.
func TestAFrontendThatTheProgramAllows(t *testing.T) {
	t.Parallel()
	evil, ref := serveEvilFrontend(t)
	files := map[string]string{"Dockerfile": "# syntax=" + ref + "\nFROM scratch\nCOPY Dockerfile /\n"}
	const local = "context: { location: ., NAMED }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]\n" +
		"registries: [{ address: \"HOST\" }]\n"
	const ran = "exit code: 1" // of busybox, which is no frontend
	properties := strings.NewReplacer(", NAMED", "", "HOST", evil.Host()).Replace(local)
	s := shared.Open(t, shared.Project(t, properties, files))
	result, err := s.Run(t.Context(), "config", "set", "--path", "buildkit:frontends[0]", ref, "--stack", "dev")
	if err != nil || result.Code != 0 {
		t.Fatal(err, result.All())
	}
	allowed := s.Preview()
	stack.Fails(t, allowed, ran)
	image := "named: { \"" + ref + "\": { location: \"docker-image://" + ref + "\" } }"
	named := strings.NewReplacer("NAMED", image, "HOST", evil.Host()).Replace(local)
	replaced := shared.Open(t, shared.Project(t, named, files)).Preview()
	for _, r := range []stack.Result{allowed, replaced} {
		if strings.Contains(r.All(), "it was not run") {
			t.Errorf("it did not run:\n%s", r.All())
		}
	}
}

// gitServer serves a repository with these files on the branch main, by git's dumb protocol. It asks for the login,
// unless that is "". It calls asked with each request.
func gitServer(t *testing.T, files map[string]string, login string, asked func(*http.Request)) (url string) {
	t.Helper()
	dir, work := t.TempDir(), t.TempDir()
	for path, text := range files {
		if err := os.WriteFile(filepath.Join(work, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	git(t, work, "init", "-q", "-b", "main")
	git(t, work, "add", ".")
	git(t, work, "commit", "-qm", "x")
	git(t, work, "clone", "-q", "--bare", ".", filepath.Join(dir, "repo.git"))
	git(t, filepath.Join(dir, "repo.git"), "update-server-info")
	return serve(t, http.FileServer(http.Dir(dir)), login, asked)
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git",
		append([]string{"-C", dir, "-c", "user.name=t", "-c", "user.email=t@t"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
}

//go:build linux

package attacks

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// The attacker writes the Dockerfile and the build context, and wants other files of the machine.

// openWithLinks opens a stack whose program names app as its context. links maps paths to the targets of links. In a
// target, BESIDE stands for a file beside the project that has a canary, and AROUND for the folder of that file.
func openWithLinks(t *testing.T, properties string, files, links map[string]string) (test *stack.Test, canary string) {
	t.Helper()
	around := t.TempDir()
	canary = "CANARY_" + filepath.Base(filepath.Dir(around))
	if err := os.WriteFile(filepath.Join(around, "Dockerfile"), []byte(canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"app/Dockerfile": "FROM BUSYBOX\nCOPY . /x/\n", "app/f": "f\n"}
	for path, text := range files {
		all[path] = text
	}
	test = shared.Open(t, shared.Project(t, properties, all))
	for path, text := range links {
		path = filepath.Join(test.Dir, path)
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		text = strings.NewReplacer("BESIDE", filepath.Join(around, "Dockerfile"), "AROUND", around).Replace(text)
		if err := os.Symlink(text, path); err != nil {
			t.Fatal(err)
		}
	}
	return test, canary
}

// wantNoCanary fails the test if a canary is in the output of a command or in the state.
func wantNoCanary(t *testing.T, test *stack.Test, r stack.Result, canaries ...string) {
	t.Helper()
	state := ""
	_ = filepath.WalkDir(filepath.Join(filepath.Dir(test.Dir), "state"),
		func(path string, _ os.DirEntry, _ error) error {
			text, _ := os.ReadFile(path)
			state += string(text)
			return nil
		})
	if state == "" {
		t.Error("there is no state to look in")
	}
	for _, canary := range append(canaries, "PULUMI_CONFIG_PASSPHRASE=") {
		if strings.Contains(r.All(), canary) {
			t.Errorf("%s is in the output:\n%s", canary, r.All())
		}
		if strings.Contains(state, canary) {
			t.Errorf("%s is in the state", canary)
		}
	}
}

// app is a context, and a tag by which the program names the registry of the base image.
const app = "tags: [\"REPO:1\"]\ncontext: {location: ./app}\n"

func TestALinkLeadsNoInputOutOfTheContext(t *testing.T) {
	t.Parallel()
	const lib = "tags: [\"REPO:1\"]\ncontext: {location: ./app, named: {lib: {location: ./lib}}}\n"
	files := map[string]string{"app/Dockerfile": "FROM BUSYBOX\nCOPY --from=lib . /x/\n", "lib/f": ""}
	for name, attack := range map[string]struct {
		properties, link, text string
		files                  map[string]string
	}{
		"the environment as Dockerfile": {properties: app, link: "app/Dockerfile", text: "/proc/self/environ"},
		"a folder as context":           {properties: app, link: "app", text: "AROUND"},
		"a named context":               {properties: lib, files: files, link: "lib", text: "AROUND"},
		"a folder of the Dockerfile": {
			properties: app + "dockerfile: {location: ./docker/Dockerfile}\n", link: "docker", text: "AROUND",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test, canary := openWithLinks(t, attack.properties, attack.files,
				map[string]string{attack.link: attack.text})
			r := test.Preview()
			stack.Fails(t, r, filepath.Join(test.Dir, attack.link), "out of the build context and the project",
				"Write the path of its target")
			wantNoCanary(t, test, r, canary)
		})
	}
}

// BuildKit has never read such an ignore file, so it must have no effect: an unchanged program must show no change.
func TestAnIgnoreFileThatIsALinkOutOfTheContextHasNoEffect(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"/proc/self/environ", "BESIDE", "../shared/ignore"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			test, canary := openWithLinks(t, app, map[string]string{
				"app/Dockerfile": "FROM BUSYBOX\nCOPY . /x/\nRUN test -e /x/no\n", "shared/ignore": "no\n",
				"app/no": "",
			}, map[string]string{"app/.dockerignore": target})
			r := test.Preview()
			stack.Succeeds(t, r)
			stack.Says(t, r, "app/.dockerignore has no effect", "Put a copy there")
			if _, summary, _ := strings.Cut(r.All(), "Diagnostics:"); strings.Count(summary, "has no effect") != 1 {
				t.Errorf("the warning does not come once:\n%s", summary)
			}
			wantNoCanary(t, test, r, canary)
		})
	}
}

// The program names a file of the repository, and the attacker replaces it by a link.
func TestALinkLeadsNoSecretAndNoKeyOutOfTheProject(t *testing.T) {
	t.Parallel()
	const secret, ssh = app + "secretSources: {b: {file: ./env}}\n", app + "ssh: [{id: default, paths: [./key]}]\n"
	const tell = "FROM BUSYBOX\nRUN --mount=type=secret,id=b tr '\\0' '\\n' </run/secrets/b | tr A-Z a-z; exit 1\n"
	const sign = "FROM BUSYBOX\nRUN --mount=type=ssh,required=true test ! -S \"$SSH_AUTH_SOCK\"\n"
	const ca = app + "registries: [{address: HOST, caFile: ./ca.pem}]\n"
	agent, asked := startAgent(t)
	for name, attack := range map[string]struct{ properties, dockerfile, link, text, remedy string }{
		"the environment as a secret": {secret, tell, "env", "/proc/self/environ",
			"Write the path of its target in secretSources"},
		"a file beside as a secret": {secret, tell, "env", "BESIDE", "Write the path of its target in secretSources"},
		"an agent as a key":         {ssh, sign, "key", agent, "Write the path of its target in ssh.paths"},
		"a key beside":              {ssh, sign, "key", "BESIDE", "Write the path of its target in ssh.paths"},
		"authorities": {ca, "FROM BUSYBOX\n", "ca.pem", "BESIDE",
			"Write the path of its target in registries"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			properties := strings.ReplaceAll(attack.properties, "HOST", shared.Registry.Host)
			test, canary := openWithLinks(t, properties, map[string]string{"app/Dockerfile": attack.dockerfile},
				map[string]string{attack.link: attack.text})
			r := test.Preview()
			stack.Fails(t, r, filepath.Join(test.Dir, attack.link), "it is a link to", attack.remedy)
			wantNoCanary(t, test, r, canary, strings.ToLower(canary), "pulumi_config_passphrase=")
		})
	}
	t.Cleanup(func() {
		if n := asked.Load(); n > 0 {
			t.Errorf("the agent was asked %d times", n)
		}
	})
}

// startAgent starts an agent for SSH keys that counts its requests, and returns the path of its socket.
func startAgent(t *testing.T) (path string, asked *atomic.Int64) {
	t.Helper()
	dir, err := os.MkdirTemp("", "a") //nolint:usetesting // a short path
	if err != nil {
		t.Fatal(err)
	}
	path, asked = filepath.Join(dir, "agent"), &atomic.Int64{}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(listener.Close(), os.RemoveAll(dir)) })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			_ = conn.Close()
		}
	}()
	return path, asked
}

func TestALinkWithinTheProjectIsFollowed(t *testing.T) {
	t.Parallel()
	test, _ := openWithLinks(t, app,
		map[string]string{"shared/Dockerfile": "FROM BUSYBOX\nCOPY . /x/\nRUN test -e /x/f\n"},
		map[string]string{"app/Dockerfile": "../shared/Dockerfile"})
	stack.Succeeds(t, test.Preview())

	test, _ = openWithLinks(t, app, map[string]string{".env": "CANARY_of_the_project\n"},
		map[string]string{"app/Dockerfile": "../.env"})
	r := test.Preview()
	stack.Fails(t, r, filepath.Join(test.Dir, ".env")+" is not a valid Dockerfile",
		"write its path in dockerfile.location")
	wantNoCanary(t, test, r, "CANARY_of_the_project")
}

// What the program itself names may lie anywhere.
func TestAProgramMayNameFilesAnywhere(t *testing.T) {
	t.Parallel()
	around := t.TempDir()
	beside := []byte("FROM " + shared.Base + "\nCOPY f /f\n")
	if err := os.WriteFile(filepath.Join(around, "Dockerfile"), beside, 0o600); err != nil {
		t.Fatal(err)
	}
	test, _ := openWithLinks(t, app+"dockerfile: {location: "+filepath.Join(around, "Dockerfile")+"}\n", nil, nil)
	stack.Succeeds(t, test.Preview())
}

func TestCopyFollowsNoLinkOutOfTheContext(t *testing.T) {
	t.Parallel()
	test, canary := openWithLinks(t, app,
		map[string]string{
			"app/Dockerfile": "FROM BUSYBOX\nCOPY . /x/\nRUN cat /x/out/* /x/environ /x/up/* ; ls -l /x; exit 1\n",
		},
		map[string]string{"app/out": "AROUND", "app/environ": "/proc/1/environ", "app/up": ".."})
	r := test.Preview()
	stack.Fails(t, r, "exit code 1")
	wantNoCanary(t, test, r, canary)
	for _, copied := range []string{"out/Dockerfile"} {
		test, canary := openWithLinks(t, app,
			map[string]string{"app/Dockerfile": "FROM BUSYBOX\nCOPY " + copied + " /f\nRUN cat /f\n"},
			map[string]string{"app/out": "AROUND", "app/environ": "/proc/self/environ", "app/up": ".."})
		r := test.Preview()
		stack.Fails(t, r)
		wantNoCanary(t, test, r, canary)
	}
}

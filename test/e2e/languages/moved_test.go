//go:build linux

package languages

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// movedProgram is the program of testdata/moved in one language. It is written for docker-build, and uses each input,
// cache and export of its documentation.
type movedProgram struct {
	file          string // below testdata/moved
	before, after string // the name of the package, which is all that changes
	path          string // of the file in its project
	project       string // what Pulumi.yaml holds besides the name
}

// movedPrograms are the programs by language. The names of the package are those of docs/migrating.md.
var movedPrograms = map[string]movedProgram{
	"YAML": {file: "yaml/Pulumi.yaml", before: "docker-build", after: "buildkit", path: "Pulumi.yaml"},
	"TypeScript": {
		file: "nodejs/index.ts", before: "@pulumi/docker-build", after: "@pulumi-buildkit/buildkit",
		path: "index.ts", project: "runtime: nodejs",
	},
	"Python": {
		file: "python/__main__.py", before: "pulumi_docker_build", after: "pulumi_buildkit",
		path: "__main__.py", project: "runtime: { name: python, options: { virtualenv: venv } }",
	},
	"Go": {
		file: "go/main.go", before: `"github.com/pulumi/pulumi-docker-build/sdk/go/dockerbuild"`,
		after: `dockerbuild "github.com/pulumi-buildkit/pulumi-buildkit/sdk/go/buildkit"`,
		path:  "main.go", project: "runtime: go",
	},
	"Java": {
		file: "java/App.java", before: "com.pulumi.dockerbuild", after: "io.github.pulumibuildkit.buildkit",
		path: "src/main/java/shop/App.java", project: "runtime: java",
	},
	"C#": {file: "dotnet/Program.cs", before: "Pulumi.DockerBuild", after: "PulumiBuildkit.Buildkit"},
}

// text returns the program with the name of the package changed.
func (p movedProgram) text(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/moved", p.file))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), p.before) {
		t.Fatalf("%s does not name the package %s", p.file, p.before)
	}
	return strings.ReplaceAll(string(text), p.before, p.after)
}

// writeMoved writes the changed program of a language to a file, for its compiler.
func writeMoved(t *testing.T, language, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(movedPrograms[language].text(t)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The page for people who move has the names of the package that the test changes.
func TestDocumentedNamesOfThePackage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(inRepo("docs/migrating.md"))
	if err != nil {
		t.Fatal(err)
	}
	for language, p := range movedPrograms {
		documented := false
		for line := range strings.Lines(string(page)) {
			before := strings.Index(line, strings.Trim(p.before, `"`))
			documented = documented || before >= 0 && strings.Contains(line[before:], p.after)
		}
		if !documented {
			t.Errorf("no line of the page changes the package of %s from %s to %s", language, p.before, p.after)
		}
	}
}

// A program of docker-build is previewed by this provider after a change of the package's name, in each language that
// runs here. The preview builds 20 images. The outputs are the same in all languages.
func TestMovedPrograms(t *testing.T) {
	t.Parallel()
	base, err := stack.PushBusybox(t.Context(), inRepo(".cache/fixtures"), shared.registry.Host)
	if err != nil {
		t.Fatal(err)
	}
	sources := httptest.NewServer(http.FileServer(http.Dir(stack.RemoteSources(t))))
	t.Cleanup(sources.Close) // after the parallel subtests
	values := map[string]string{
		"registry": shared.registry.Host, "password": "open sesame", "sources": sources.URL, "base": base,
	}
	agent, key := startAgent(t), newKey(t)
	var outputs sync.Map
	t.Run("languages", func(t *testing.T) {
		for language, host := range hosts(t) {
			t.Run(language, func(t *testing.T) {
				t.Parallel()
				files := movedProject(t, language, base)
				files["deploy.key"] = &fstest.MapFile{Data: key, Mode: 0o600}
				s := stack.New(t, stack.Config{
					Bin: shared.bin, Program: files, Daemon: shared.daemon, Idle: 10 * time.Second, Values: values,
					Env: append([]string{"SSH_AUTH_SOCK=" + agent}, host.env...),
				})
				if language == "TypeScript" {
					host.ready(t, s.Dir)
				}
				result := s.Preview()
				if result.Code != 0 || !strings.Contains(result.Stdout, "+ 25 to create") {
					t.Fatalf("exit code %d:\n%s", result.Code, result.All())
				}
				_, said, _ := strings.Cut(result.Stdout, "Outputs:")
				said, _, _ = strings.Cut(said, "Resources:")
				outputs.Store(said, language)
			})
		}
	})
	all := map[any]any{}
	outputs.Range(func(said, language any) bool { all[said] = language; return true })
	if len(all) != 1 {
		t.Errorf("the outputs differ: %v", all)
	}
	pushed := regexp.QuoteMeta(shared.registry.Host) + `/shop/app:1.0@sha256:`
	for said := range all {
		for _, output := range []string{"pushedRef *: \"" + pushed, "bothRef", `cachedDigest *: "sha256:`, "builtFor",
			`stageTarget *: "tested"`} {
			if !regexp.MustCompile(output).MatchString(said.(string)) {
				t.Errorf("the outputs lack %s: %s", output, said)
			}
		}
	}
}

// movedProject returns the files of the program's project in one language: those of the example, the changed program,
// and what it builds.
func movedProject(t *testing.T, language, base string) fstest.MapFS {
	t.Helper()
	p := movedPrograms[language]
	files := fstest.MapFS{}
	write := func(name, text string) { files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644} }
	write("Pulumi.yaml", "name: shop\n"+p.project+"\n")
	write(p.path, p.text(t))
	folder := hosts(t)[language].folder
	local := strings.NewReplacer("goserver.App", "shop.App", "../../../sdk", inRepo("sdk"))
	for _, name := range []string{"package.json", "tsconfig.json", "requirements.txt", "go.mod", "go.sum", "pom.xml"} {
		text, err := os.ReadFile(inRepo("examples/go-server", folder, name))
		if err == nil {
			write(name, local.Replace(string(text)))
		}
	}
	for name, text := range map[string]string{
		"Dockerfile":           "FROM scratch\nCOPY hello /\n",
		"Dockerfile.platforms": "FROM scratch\nARG TARGETPLATFORM\nLABEL of=$TARGETPLATFORM\nCOPY hello /\n",
		"Dockerfile.arguments": "FROM BASE\nARG GREETING\nRUN test \"$GREETING\" = hello\n",
		"Dockerfile.hosts":     "FROM BASE\nRUN grep db.shop.example /etc/hosts\n",
		"Dockerfile.key":       "FROM BASE\nRUN --mount=type=ssh test -S \"$SSH_AUTH_SOCK\"\n",
		"Dockerfile.token":     "FROM BASE\nRUN --mount=type=secret,id=token grep sesame /run/secrets/token\n",
		"Dockerfile.stages":    "FROM BASE AS tested\nRUN true\nFROM BASE\nRUN false\n",
		"Dockerfile.named":     "FROM toolchain:latest\nCOPY --from=assets logo /\n",
	} {
		write("app/"+name, strings.ReplaceAll(text, "BASE", base))
	}
	write("app/hello", "hello\n")
	write("assets/logo", "a logo\n")
	return files
}

// startAgent returns a socket at which an SSH agent seems to listen, until the test ends. No step speaks to it.
func startAgent(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent")
	listener, err := new(net.ListenConfig).Listen(context.WithoutCancel(t.Context()), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return path
}

// newKey returns a private key for SSH.
func newKey(t *testing.T) []byte {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block)
}

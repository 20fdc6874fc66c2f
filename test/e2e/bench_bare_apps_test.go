//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	layers "github.com/google/go-containerregistry/pkg/v1/tarball"
)

// bareApp is an application of BenchmarkBareMachine.
type bareApp struct {
	files   map[string]string
	changed string // the source file that differs from round to round
	comment string // begins a line of it
}

// goApp downloads modules in a step of its own, and compiles everything else in another one.
func goApp(b *testing.B, packages *packageServer) bareApp {
	b.Helper()
	root := output(b, "go", "env", "GOROOT")
	base := pushTools(b, "go", root+"/bin", root+"/pkg", root+"/src", root+"/VERSION", root+"/go.env")
	mod, imports := packages.addModules(20)
	return bareApp{changed: "main.go", comment: "// ", files: map[string]string{
		"Dockerfile": `FROM ` + base + ` AS build
ENV PATH=` + root + `/bin:/bin HOME=/root CGO_ENABLED=0 GOTOOLCHAIN=local GOSUMDB=off GOPROXY=` + packages.url + `
WORKDIR /app
COPY go.mod .
RUN --mount=type=cache,target=/root/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/root/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
	go build -mod=mod -o /server .
FROM BUSYBOX
COPY --from=build /server /server
`,
		"go.mod": mod, ".dockerignore": "Pulumi*.yaml\n",
		"main.go": "package main\n\nimport (\n\t\"net/http\"\n" + imports + ")\n\n" +
			"func main() { panic(http.ListenAndServe(\":8080\", nil)) }\n",
	}}
}

// nodeApp installs its packages after it has copied its sources, as many do.
func nodeApp(b *testing.B, packages *packageServer) bareApp {
	b.Helper()
	node := output(b, "node", "-p", "process.execPath")
	npm, err := exec.LookPath("npm")
	must(b, err)
	npm, err = filepath.EvalSymlinks(npm)
	must(b, err)
	base := pushTools(b, "node", append(libraries(b, node), node, filepath.Dir(filepath.Dir(npm)))...)
	files := packages.addNPM(150)
	files[".dockerignore"] = "Pulumi*.yaml\n"
	files["server.js"] = "require('http').createServer((q, s) => s.end('hello')).listen(8080);\n"
	files["Dockerfile"] = `FROM ` + base + `
ENV PATH=` + filepath.Dir(node) + `:/bin HOME=/root
WORKDIR /app
COPY . .
RUN --mount=type=cache,target=/root/.npm node ` + npm + ` ci --no-audit --no-fund --registry ` + packages.url + `
CMD ["node", "server.js"]
`
	return bareApp{changed: "server.js", comment: "// ", files: files}
}

// pythonApp installs its packages after it has copied its sources. Some of them are built from source.
func pythonApp(b *testing.B, packages *packageServer) bareApp {
	b.Helper()
	found := strings.Fields(output(b, "python3", "-c",
		"import os, sys; print(os.path.realpath(sys.executable), os.path.dirname(os.__file__))"))
	python, library := found[0], found[1]
	modules, err := filepath.Glob(library + "/lib-dynload/*.so")
	must(b, err)
	base := pushTools(b, "python", append(libraries(b, append(modules, python)...), python, library)...)
	return bareApp{changed: "server.py", comment: "# ", files: map[string]string{
		"Dockerfile": `FROM ` + base + `
ENV HOME=/root LD_LIBRARY_PATH=` + filepath.Dir(library) + `
RUN ` + python + ` -m ensurepip
WORKDIR /app
COPY . .
RUN --mount=type=cache,target=/root/.cache/pip ` + python + ` -m pip install --disable-pip-version-check \
	--index-url ` + packages.url + `/simple --trusted-host ` + packages.host() + ` -r requirements.txt
`,
		"requirements.txt": packages.addPython(20, 10), "server.py": "print('hello')\n",
		".dockerignore": "Pulumi*.yaml\n",
	}}
}

// output returns what a program prints. It skips the benchmark if the program is missing.
func output(b *testing.B, program string, args ...string) string {
	b.Helper()
	if _, err := exec.LookPath(program); err != nil {
		b.Skip("NOT RUN: this machine has no " + program)
	}
	text, err := exec.CommandContext(b.Context(), program, args...).Output()
	must(b, err)
	return strings.TrimSpace(string(text))
}

var libraryPath = regexp.MustCompile(`/\S+\.so\S*`)

// libraries returns the shared libraries that programs load.
func libraries(b *testing.B, programs ...string) []string {
	b.Helper()
	var found []string
	for line := range strings.Lines(output(b, "ldd", programs...)) {
		if !strings.HasSuffix(line, ":\n") { // else it names the program
			found = append(found, libraryPath.FindAllString(line, -1)...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// pushTools pushes a base image of busybox and of files of this machine, and returns its reference.
func pushTools(b *testing.B, tool string, paths ...string) string {
	b.Helper()
	archive := filepath.Join(b.TempDir(), "layer.tar")
	args := []string{"--create", "--dereference", "--directory=/", "--file=" + archive, "--exclude=*/site-packages",
		"--exclude=*/lib/python3*/test", "--exclude=__pycache__"}
	for _, path := range paths {
		args = append(args, strings.TrimPrefix(path, "/"))
	}
	if out, err := exec.CommandContext(b.Context(), "tar", args...).CombinedOutput(); err != nil {
		b.Fatalf("tar: %v: %s", err, out)
	}
	layer, err := layers.LayerFromFile(archive)
	must(b, err)
	busybox, err := name.ParseReference(shared.Base)
	must(b, err)
	base, err := remote.Image(busybox, remote.WithContext(b.Context()),
		remote.WithPlatform(v1.Platform{OS: "linux", Architecture: "amd64"}))
	must(b, err)
	image, err := mutate.AppendLayers(base, layer)
	must(b, err)
	reference, err := name.ParseReference(fmt.Sprintf("%s/bench-%s:latest", shared.Registry.Host, tool))
	must(b, err)
	must(b, remote.Write(reference, image, remote.WithContext(b.Context())))
	must(b, os.Remove(archive))
	return reference.Name()
}

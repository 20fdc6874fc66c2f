//go:build linux

package e2e

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// packageServer stands in for the registries of npm, Go modules and PyPI. Each answer takes packageDelay. What it
// serves is generated, so that a benchmark needs no network and compares the same packages on any machine.
type packageServer struct {
	url   string
	files map[string][]byte // by path
}

// packageDelay is about what a registry near a CI service takes.
const packageDelay = 50 * time.Millisecond

// startPackages starts a server on an address of this machine that steps reach, until the end of the benchmark.
func startPackages(b *testing.B) *packageServer {
	b.Helper()
	listener, err := net.Listen("tcp", registrytest.OwnAddress(b)+":0")
	must(b, err)
	s := &packageServer{url: "http://" + listener.Addr().String(), files: map[string][]byte{}}
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	b.Cleanup(func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
	return s
}

// ServeHTTP implements http.Handler.
func (s *packageServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(packageDelay):
	case <-r.Context().Done():
		return
	}
	data, ok := s.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if strings.Contains(r.URL.Path, "/simple/") {
		w.Header().Set("Content-Type", "text/html")
	} else {
		w.Header().Set("Cache-Control", "max-age=365000000, immutable")
	}
	_, _ = w.Write(data)
}

// host returns the name without the port, for pip.
func (s *packageServer) host() string {
	parsed, _ := url.Parse(s.url)
	return parsed.Hostname()
}

// text returns lines that compress as source code does.
func text(name string, lines int, line string) string {
	var b strings.Builder
	for i := range lines {
		fmt.Fprintf(&b, line, name, i, i*7919)
	}
	return b.String()
}

// addNPM serves packages of 50 files each, and returns the files of a program that depends on them.
func (s *packageServer) addNPM(count int) map[string]string {
	type entry map[string]any
	wanted, locked := map[string]string{}, entry{}
	for i := range count {
		name := fmt.Sprintf("bench-package-%d", i)
		files := map[string]string{
			"package/package.json": fmt.Sprintf(`{"name":%q,"version":"1.0.0","main":"0.js"}`, name),
		}
		for j := range 50 {
			code := text(name, 60, "exports[\"%s_%d\"] = function (x) { return x * %d; };\n")
			files[fmt.Sprintf("package/%d.js", j)] = code
		}
		archive := tarball(files)
		path := fmt.Sprintf("/%s/-/%s-1.0.0.tgz", name, name)
		s.files[path] = archive
		sum := sha512.Sum512(archive)
		wanted[name] = "1.0.0"
		locked["node_modules/"+name] = entry{
			"version": "1.0.0", "resolved": s.url + path,
			"integrity": "sha512-" + base64.StdEncoding.EncodeToString(sum[:]),
		}
	}
	locked[""] = entry{"name": "app", "version": "1.0.0", "dependencies": wanted}
	lock := entry{"name": "app", "version": "1.0.0", "lockfileVersion": 3, "packages": locked}
	return map[string]string{"package.json": marshalJSON(locked[""]), "package-lock.json": marshalJSON(lock)}
}

// addModules serves Go modules of one package each, and returns go.mod and the imports of a program that needs them.
func (s *packageServer) addModules(count int) (mod, imports string) {
	mod = "module app\n\ngo 1.24\n\nrequire (\n"
	for i := range count {
		module := fmt.Sprintf("bench.example.com/m%d", i)
		code := fmt.Sprintf("package m%d\n\n", i) + text("F", 400,
			"func %s%d(x []int) (sum int) {\n\tfor i, y := range x {\n\t\tsum += i*y ^ %d\n\t}\n\treturn sum\n}\n")
		own := "module " + module + "\n"
		base := "/" + module + "/@v/v1.0.0"
		s.files[base+".info"] = []byte(`{"Version":"v1.0.0","Time":"2024-01-01T00:00:00Z"}`)
		s.files[base+".mod"] = []byte(own)
		s.files[base+".zip"] = zipped(map[string]string{module + "@v1.0.0/go.mod": own, module + "@v1.0.0/m.go": code})
		mod += "\t" + module + " v1.0.0\n"
		imports += fmt.Sprintf("\t_ %q\n", module)
	}
	return mod + ")\n", imports
}

// addPython serves packages, and returns the requirements of a program. Those from source take a second of a core each,
// as a small extension in C does.
func (s *packageServer) addPython(wheels, sources int) (requirements string) {
	for i := range wheels + sources {
		name, kind := fmt.Sprintf("benchpackage%d", i), "py3-none-any.whl"
		archive := []byte(nil)
		if i < wheels {
			archive = zipped(wheelFiles(name))
		} else {
			kind = "tar.gz"
			archive = tarball(sourceFiles(name))
		}
		file := fmt.Sprintf("%s-1.0.%s", name, kind)
		if i < wheels {
			file = fmt.Sprintf("%s-1.0-%s", name, kind)
		}
		s.files["/files/"+file] = archive
		s.files["/simple/"+name+"/"] = fmt.Appendf(nil, `<a href="%s/files/%s">%s</a>`, s.url, file, file)
		requirements += name + "==1.0\n"
	}
	return requirements
}

// wheelFiles returns the files of a wheel with 40 modules.
func wheelFiles(name string) map[string]string {
	info := name + "-1.0.dist-info/"
	files := map[string]string{
		info + "METADATA": "Metadata-Version: 2.1\nName: " + name + "\nVersion: 1.0\n",
		info + "WHEEL":    "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
	}
	for i := range 40 {
		files[fmt.Sprintf("%s/m%d.py", name, i)] = text("f", 60, "def %s_%d(x):\n    return x * %d\n")
	}
	record := ""
	for path := range files {
		record += path + ",,\n"
	}
	files[info+"RECORD"] = record + info + "RECORD,,\n"
	return files
}

// sourceFiles returns a source distribution with its own build backend, so that nothing else is downloaded.
func sourceFiles(name string) map[string]string {
	root := name + "-1.0/"
	return map[string]string{
		root + "PKG-INFO":       "Metadata-Version: 2.1\nName: " + name + "\nVersion: 1.0\n",
		root + "pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n",
		root + "backend.py": strings.ReplaceAll(`import hashlib, time, zipfile
def build_wheel(directory, settings=None, metadata=None):
    while time.process_time() < 1:
        hashlib.sha256(b"0" * 1000000).digest()
    info = "NAME-1.0.dist-info/"
    with zipfile.ZipFile(directory + "/NAME-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("NAME.py", "built = True\n")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: NAME\nVersion: 1.0\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        names = ["NAME.py"] + [info + name for name in ("METADATA", "WHEEL", "RECORD")]
        wheel.writestr(info + "RECORD", "".join(name + ",,\n" for name in names))
    return "NAME-1.0-py3-none-any.whl"
`, "NAME", name),
	}
}

func marshalJSON(value any) string {
	data, _ := json.Marshal(value) // maps of texts
	return string(data)
}

// zipped returns a zip archive of files.
func zipped(files map[string]string) []byte {
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for name, content := range files {
		f, _ := w.Create(name) // writes to memory do not fail
		_, _ = f.Write([]byte(content))
	}
	_ = w.Close()
	return archive.Bytes()
}

// tarball returns a compressed archive of files.
func tarball(files map[string]string) []byte {
	var archive bytes.Buffer
	compressed := gzip.NewWriter(&archive)
	w := tar.NewWriter(compressed)
	for name, content := range files {
		_ = w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))})
		_, _ = w.Write([]byte(content))
	}
	_, _ = w.Close(), compressed.Close()
	return archive.Bytes()
}

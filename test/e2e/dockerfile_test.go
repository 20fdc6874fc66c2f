//go:build linux

package e2e

import "testing"

// A folder is the context even if its name could be that of a git repository. Its Dockerfile may be called dockerfile,
// with its own ignore file.
func TestContextAndDockerfileNamesAsInDocker(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, "context: { location: github.com/acme/app }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]",
		map[string]string{
			"github.com/acme/app/dockerfile":              "FROM scratch\nCOPY . /\n",
			"github.com/acme/app/dockerfile.dockerignore": "secret\n",
			"github.com/acme/app/a":                       "1",
			"github.com/acme/app/secret":                  "1",
		}))
	succeeds(t, s.Up("--skip-preview"), "+ 2 created")
	must(t, s.Write("github.com/acme/app/secret", "2"))
	must(t, s.Write("github.com/acme/app/a", "2"))
	must(t, s.Write("github.com/acme/app/dockerfile", "FROM scratch\nCOPY a /\n"))
	succeeds(t, s.Preview(), "contextHash changed: modified a, modified dockerfile", "~ 1 to update")
}

// If there is no Dockerfile, the error names a Containerfile.
func TestNoDockerfileNamesTheRemedy(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, "context: { location: podman }",
		map[string]string{"podman/Containerfile": "FROM scratch\nCOPY a /\n", "podman/a": ""}))
	fails(t, s.Preview(), "dockerfile.location: ",
		"/podman/Dockerfile, but a Containerfile, which docker build does not take by itself: "+
			"set dockerfile.location to podman/Containerfile")
}

// A text that is not UTF-8 is refused before anything is built, with its file and line. That includes an ignore file in
// which BuildKit would understand no pattern.
func TestEncodingErrors(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, "context: { location: app }\ntags: [\"REPO:1\"]", map[string]string{
		"app/Dockerfile": "FROM BUSYBOX\nRUN echo caf\xe9\nCOPY . /\n", "app/secret.pem": "",
	}))
	fails(t, s.Preview(), "dockerfile.location: ",
		"app/Dockerfile: line 2: the byte 0xe9 is not UTF-8, which BuildKit reads: the text is perhaps "+
			"Latin-1 or Windows-1252. Save it as UTF-8, with an editor or, if it is one of these, with: iconv -f "+
			"WINDOWS-1252 -t UTF-8 "+
			"app/Dockerfile >app/Dockerfile.utf8 && mv app/Dockerfile.utf8 app/Dockerfile")
	must(t, s.Write("app/Dockerfile", "# caf\xe9\nFROM scratch\nCOPY . /\n"))
	must(t, s.Write("app/.dockerignore", "\xff\xfe*\x00.\x00p\x00e\x00m\x00\n\x00"))
	fails(t, s.Up("--skip-preview"), "context.location: ",
		"app/.dockerignore: line 1: the text is UTF-16LE, and BuildKit reads UTF-8. Save it as UTF-8, "+
			"with an editor or with: iconv -f UTF-16 -t UTF-8 app/.dockerignore >app/.dockerignore.utf8 && mv "+
			"app/.dockerignore.utf8 app/.dockerignore")
	if fetchManifest(t, repository(t)+":1") != nil {
		t.Error("an image was pushed")
	}
}

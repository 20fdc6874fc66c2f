package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// A CA file in the project that is a link out of it is not read. The path in the program itself can lead anywhere.
func TestTrustInACAFileThatIsALink(t *testing.T) {
	t.Parallel()
	project, outside := t.TempDir(), filepath.Join(t.TempDir(), "ca.pem")
	link := filepath.Join(project, "ca.pem")
	if err := errors.Join(os.WriteFile(outside, []byte("PEM"), 0o600), os.Symlink(outside, link)); err != nil {
		t.Fatal(err)
	}
	for path, refused := range map[string]bool{outside: false, link: true} {
		_, err := readTrust(t.Context(), map[string]Registry{"registry.example.com": {CAFile: path, Project: project}})
		if errors.As(err, new(*file.LinkError)) != refused || !refused && err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// The folder of a trust without mirrors has the name of earlier releases, so an upgrade keeps its cache. Each list of
// mirrors has its own folder, because BuildKit reads the list when it starts.
func TestTrustWithMirrors(t *testing.T) {
	t.Parallel()
	plain := trust{"registry.example.com": {plainHTTP: true}}
	if got := plain.name(); got != "trust-cdc63dc0" {
		t.Errorf("got %s", got)
	}
	seen := map[string]bool{}
	for _, mirrors := range [][]string{nil, {"a:1", "b"}, {"b", "a:1"}, {"a:1b"}} {
		one := trust{"docker.io": {mirrors: mirrors}}
		if seen[one.name()] {
			t.Errorf("%v has the folder of others", mirrors)
		}
		seen[one.name()] = true
	}
	mirrored := trust{"docker.io": {mirrors: []string{"b.example.com/hub", "127.0.0.1:5000"}}}
	got := string(mirrored.files(daemonFolder{})[registriesFile])
	want := "\n[registry.\"docker.io\"]\nmirrors = [\"b.example.com/hub\", \"127.0.0.1:5000\"]\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

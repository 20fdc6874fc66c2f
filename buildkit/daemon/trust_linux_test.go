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

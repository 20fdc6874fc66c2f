//go:build linux

package stack

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// remoteFiles are the files of RemoteSources, by their paths.
var remoteFiles = map[string]string{
	"Dockerfile": "FROM scratch\nCOPY hello /\n", "hello": "hello",
	"app/Other": "FROM scratch\nCOPY hello /\nLABEL from=there\n",
}

// RemoteSources returns a folder with the same build context twice, as app.tar.gz and as branch main of repo.git, and
// with a Dockerfile that copies nothing. A plain web server can serve it.
func RemoteSources(t testing.TB) string {
	t.Helper()
	dir, work := t.TempDir(), t.TempDir()
	for name, text := range remoteFiles {
		path := filepath.Join(work, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755),
			os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	git := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git",
			append([]string{"-C", work, "-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	git("init", "-q", "-b", "main")
	git("add", ".")
	git("commit", "-q", "-m", "one")
	git("clone", "-q", "--bare", work, filepath.Join(dir, "repo.git"))
	git("--git-dir="+filepath.Join(dir, "repo.git"), "update-server-info")
	err := errors.Join(writeArchive(filepath.Join(dir, "app.tar.gz")),
		os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nLABEL from=url\n"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// writeArchive writes the remote files as a compressed archive.
func writeArchive(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(file)
	archive := tar.NewWriter(z)
	for name, text := range remoteFiles {
		header := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}
		if err := archive.WriteHeader(header); err != nil {
			return errors.Join(err, file.Close())
		}
		if _, err := archive.Write([]byte(text)); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	return errors.Join(archive.Close(), z.Close(), file.Close())
}

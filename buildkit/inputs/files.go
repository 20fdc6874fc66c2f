package inputs

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// Files names what a build reads.
type Files struct {
	Context    string            // directory of the main build context, or a URL; see IsRemote and LocateContext
	Named      map[string]string // directories of the named contexts, or what IsRemoteNamed knows
	Dockerfile string            // path of the Dockerfile on this machine; "" when Inline is the text
	Inline     []byte            // nil, too, for the Dockerfile of a remote context
	// Project is the folder that links in it and in contexts may lead into; "" is none. Where a link leads out of both,
	// the build fails with a *file.LinkError.
	Project string
	// Reserved are left out of every context. A context that is one of them, or lies in one, is refused where they say so, with a
	// *source.ReservedError.
	Reserved []source.Reserved
}

// The names of a Dockerfile that nobody named, as BuildKit looks for them.
const defaultName, lowerName = "Dockerfile", "dockerfile"

// FindDockerfile returns path or, if path ends with Dockerfile and nothing has that name, the path of the dockerfile in lower case
// beside it. docker build has the same rule (handleLowercaseDockerfile in build/opt.go of docker/buildx).
func FindDockerfile(path string) string {
	if !strings.HasSuffix(path, defaultName) || filepath.Base(path) != defaultName || fileExists(path) {
		return path
	}
	if lower := filepath.Join(filepath.Dir(path), lowerName); fileExists(lower) {
		return lower
	}
	return path
}

func fileExists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// ProjectBounds returns where links in the project may lead.
func (f Files) ProjectBounds() file.Bounds {
	return file.Project(f.Project)
}

// bounds returns where links that lead to a file of a context, or beside it, may lead. The context may be remote.
func (f Files) bounds(context string) file.Bounds {
	folders := f.ProjectBounds()
	if !IsRemote(context) {
		folders = append(folders, context)
	}
	return folders
}

// open opens the directory of a context. The errors are those of file.Bounds.OpenRoot.
func (f Files) open(context string) (*os.Root, error) {
	return f.ProjectBounds().OpenRoot(context)
}

// CheckContext returns nil if the directory of a context can be opened, or the error of file.Bounds.OpenRoot.
func (f Files) CheckContext(dir string) error {
	root, err := f.open(dir)
	if err != nil {
		return err
	}
	return root.Close()
}

// containsFile tells whether the main context is on this machine and has the file at a path without links in it.
func (f Files) containsFile(place string) bool {
	if IsRemote(f.Context) {
		return false
	}
	dir, err := filepath.Abs(f.Context)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return false
	}
	inside, err := filepath.Rel(dir, place)
	return err == nil && filepath.IsLocal(inside)
}

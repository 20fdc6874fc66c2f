package inputs

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/download"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// Files names what a build reads.
type Files struct {
	Context    string            // folder of the main build context, or a URL; see IsRemote and LocateContext
	Named      map[string]string // folders of the named contexts, or locations that IsRemoteNamedContext accepts
	Dockerfile string            // path of the Dockerfile on this machine; "" when another field says where it is
	Inline     []byte            // text of the Dockerfile; nil when another field says where it is
	// DockerfileURL is where this process downloads the Dockerfile from; see IsDockerfileURL. "" is nowhere.
	DockerfileURL string
	// Downloads keeps what was downloaded; nil downloads it each time.
	Downloads *Downloads
	// RemoteDockerfile is the path of the Dockerfile in the remote context, with slashes; "" is the usual one.
	RemoteDockerfile string
	// Project is the folder that links in it and in contexts may lead into; "" is none. Where a link leads out of both,
	// the build fails with a *file.LinkError.
	Project string
	// Reserved are left out of every context. A context that is one of them, or lies in one, is refused with a
	// *source.ReservedError where they say so.
	Reserved []source.Reserved
}

// The names of a Dockerfile that nobody named, as BuildKit looks for them.
const defaultName, lowerName = "Dockerfile", "dockerfile"

// FindDockerfile returns the path of the Dockerfile that path means. That is path itself, unless it ends with
// Dockerfile and nothing has that name: then it is the dockerfile in lower case beside it, if there is one.
//
// docker build has the same rule (handleLowercaseDockerfile in build/opt.go of docker/buildx).
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

// CheckContext opens the folder of a context and closes it. It returns the error of file.Bounds.OpenRoot.
func (f Files) CheckContext(dir string) error {
	root, err := f.open(dir)
	if err != nil {
		return err
	}
	return root.Close()
}

// open opens the folder of a context. Its errors are those of file.Bounds.OpenRoot.
func (f Files) open(dir string) (*os.Root, error) {
	return f.ProjectBounds().OpenRoot(dir)
}

// openIgnoreFile opens an ignore file of a folder. It follows links as if the folder were the root of everything.
func (f Files) openIgnoreFile(dir, name string) (*os.File, error) {
	root, err := f.open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	return file.Within(root, name)
}

// HasNamed tells whether a named context stands in for an image.
func (f Files) HasNamed(ref string) bool {
	for name := range f.Named {
		if contextName(name) == contextName(ref) {
			return true
		}
	}
	return false
}

// hasLocalDockerfile tells whether the daemon gets the Dockerfile from this machine.
func (f Files) hasLocalDockerfile() bool {
	return f.Dockerfile != "" || f.DockerfileURL != "" || f.Inline != nil
}

// IsDockerfileURL tells whether the location of a Dockerfile is a URL to download it from.
func IsDockerfileURL(location string) bool { return download.IsURL(location) }

// containsFile tells whether the main context is on this machine and has the file at a path without links in it.
func (f Files) containsFile(path string) bool {
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
	inside, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(inside)
}

// displayPath returns a path as a person knows it: from the root of the main context if the file is in it, with
// slashes.
func (f Files) displayPath(path string) string {
	if dir, err := filepath.Abs(f.Context); err == nil && !IsRemote(f.Context) {
		abs, _ := filepath.Abs(path) // the working directory is there: it was a moment ago
		if inside, err := filepath.Rel(dir, abs); err == nil && filepath.IsLocal(inside) {
			return filepath.ToSlash(inside)
		}
	}
	return filepath.ToSlash(path)
}

package provider

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// checkDockerfile reports mistakes in the text of the Dockerfile, or that there is none.
func checkDockerfile(c *checker) {
	d := c.args.Dockerfile
	if d != nil && d.Location != nil && d.Inline != nil && isKnown(c.raw, "dockerfile") {
		c.fail("dockerfile", "give either location or inline, not both")
		return
	}
	given := c.args.namesDockerfile() || d != nil && d.Inline != nil
	if !given && inputs.IsRemote(c.args.contextDir()) {
		return // the remote context has the Dockerfile
	}
	files := c.files()
	anyContext := d != nil && (d.Inline != nil || files.DockerfileURL != "" || filepath.IsAbs(deref(d.Location)))
	if !isKnown(c.raw, "dockerfile") || !anyContext && c.unknownAt(key("context"), key("location")) {
		return
	}
	switch file := files.Dockerfile; {
	case files.RemoteDockerfile != "":
		checkRemoteDockerfile(c, files.RemoteDockerfile)
		return
	case file != "" && isAwaited(file, c.promised):
		return
	}
	warnOfURLSecrets(c, files.DockerfileURL)
	path, text, err := c.readDockerfile()
	if errors.Is(err, errNotDownloaded) {
		return
	}
	if err != nil && c.ctx.Err() != nil {
		return // fillContextHash returns the cause: the program is not at fault
	}
	if failDownload(c, path, err) {
		return
	}
	if err != nil {
		if !c.hasFailure("context.location") || given { // a missing context has no Dockerfile: one failure is enough
			c.fail(path, "%v", err)
		}
		return
	}
	target := ""
	if !c.unknownAt(key("target")) {
		target = deref(c.args.Target)
	}
	if hasOtherFrontend(c.args) {
		return // only that frontend knows the syntax
	}
	err = inputs.CheckDockerfile(text.Text, target)
	var noStage *inputs.TargetError
	switch {
	case errors.As(err, &noStage):
		c.fail("target", "%v", err)
	case err != nil && text.Linked != "":
		c.fail(path, "%s is not a valid Dockerfile. What is wrong is not shown, because a link out of the build "+
			"context leads there; write its path in dockerfile.location to see it", text.Linked)
	case failEncoding(c, err, files):
	case err != nil:
		c.fail(path, "%v", err)
	}
}

// checkRemoteDockerfile reports a path that leads out of the remote context. It warns if this machine has such a file,
// which a relative path does not mean.
func checkRemoteDockerfile(c *checker, file string) {
	if location := *c.args.Dockerfile.Location; strings.Contains(location, "://") {
		c.fail("dockerfile.location", "%v", dockerfileMistake(location, ""))
		return
	}
	if !filepath.IsLocal(filepath.FromSlash(file)) {
		c.fail("dockerfile.location", "%q: it leads out of the remote context. Write its path in there; that of a "+
			"file on this machine is absolute", file)
		return
	}
	if isRegular(filepath.FromSlash(file)) {
		c.warn("dockerfile.location: the Dockerfile is %s of the remote context, not the file of that name on this "+
			"machine: write an absolute path to take that one", printable(file))
	}
}

// readDockerfile returns the text of the Dockerfile, and the path of the input that says where it is. It returns
// errNotDownloaded for a Dockerfile at a URL that nothing depends on.
func (c *checker) readDockerfile() (path string, text inputs.DockerfileText, err error) {
	if d := c.args.Dockerfile; d != nil && d.Inline != nil {
		return "dockerfile.inline", inputs.DockerfileText{Text: []byte(*d.Inline)}, nil
	}
	files := c.files()
	if files.DockerfileURL != "" && !c.needsDockerfile() {
		return "dockerfile.location", text, errNotDownloaded
	}
	text, err = inputs.ReadDockerfile(c.ctx, files)
	err = explainDownload(explainDockerfile(c.args, files, err))
	return "dockerfile.location", text, withTarget(err, "dockerfile.location")
}

// errNotDownloaded says that a Dockerfile at a URL is not needed now. A build downloads it.
var errNotDownloaded = errors.New("the Dockerfile is not downloaded")

// needsDockerfile tells whether Check fills in an input that depends on the text of the Dockerfile.
func (c *checker) needsDockerfile() bool {
	return c.raw.Get("contextHash").IsNull() || deref(c.args.Pull) && c.raw.Get("baseDigests").IsNull()
}

// explainDockerfile explains the error of reading a Dockerfile. If there is no file at files.Dockerfile, the error says
// what is there instead and what to write. Other errors stay as they are.
func explainDockerfile(a ImageArgs, files inputs.Files, err error) error {
	absent := []error{fs.ErrNotExist, syscall.EISDIR, syscall.ENOTDIR}
	if !slices.ContainsFunc(absent, func(kind error) bool { return errors.Is(err, kind) }) {
		return err
	}
	path := files.Dockerfile
	abs, _ := filepath.Abs(path)
	if a.namesDockerfile() {
		if mistake := dockerfileMistake(path, abs); mistake != nil {
			return mistake
		}
	}
	podman := filepath.Join(filepath.Dir(path), "Containerfile")
	switch {
	case isFolder(abs):
		return folderError(abs, path)
	case filepath.Base(path) == "Dockerfile" && isRegular(podman):
		return fmt.Errorf("no Dockerfile at %s, but a Containerfile, which docker build does not take by itself: "+
			"set dockerfile.location to %s", abs, podman)
	case a.namesDockerfile() && inputs.IsRemote(files.Context):
		return fmt.Errorf("no Dockerfile at %s: an absolute dockerfile.location is a path on this machine. Write a "+
			"relative one for a file of the remote context; the folder after # is its root (#main:folder)",
			abs)
	}
	return fmt.Errorf("no Dockerfile at %s: create it, or say where it is with dockerfile.location or "+
		"dockerfile.inline. %s", abs, madeElsewhereRemedy)
}

// dockerfileMistake returns an error that explains why a dockerfile.location leads to no file, or nil if it cannot
// tell.
func dockerfileMistake(location, abs string) error {
	plain := strings.TrimRight(location, `/\`)
	switch {
	case location == "-":
		return errors.New(`"-": there is no standard input here to read a Dockerfile from. ` +
			"Give its text in dockerfile.inline, or write its path in dockerfile.location")
	case strings.Contains(location, "://"):
		return fmt.Errorf("%q: a Dockerfile is a file, or at a URL that begins with https:// or http://. That of a "+
			"git repository is found with the repository as the context", location)
	case strings.HasPrefix(location, "~"):
		return tildeError(location, "dockerfile.location")
	case plain != location && isRegular(abs):
		return fmt.Errorf("%q: %s is a file. Leave out what follows its name: %s", location, abs, plain)
	case isFolder(abs):
		return folderError(location, plain)
	}
	return nil
}

// folderError returns an error for a location that is a folder. It names the Dockerfile in the folder, if there is one.
func folderError(shown, folder string) error {
	inside := inputs.FindDockerfile(filepath.Join(folder, "Dockerfile"))
	if podman := filepath.Join(folder, "Containerfile"); !isRegular(inside) && isRegular(podman) {
		inside = podman
	}
	if !isRegular(inside) {
		return fmt.Errorf("%q is a folder, and has no Dockerfile. Write the path of a file in dockerfile.location",
			shown)
	}
	return fmt.Errorf("%q is a folder. Write the path of the file in dockerfile.location: %s", shown, inside)
}

// tildeError returns an error for a location that begins with ~, which only a shell expands. It says what to write.
func tildeError(location, input string) error {
	instead := "the path of the home folder"
	home, err := os.UserHomeDir()
	if rest, own := strings.CutPrefix(location, "~/"); own && err == nil {
		instead = filepath.Join(home, rest)
	}
	return fmt.Errorf("%q: only a shell replaces ~ by the home folder. Write %s in %s", location, instead, input)
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func isRegular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

package provider

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

func checkContext(c *checker) {
	if c.unknownAt(key("context"), key("location")) {
		return
	}
	if inputs.IsRemote(c.args.contextDir()) || isAwaited(c.args.contextDir(), c.promised) {
		return
	}
	if err := checkFolder(c.args, c.args.contextDir(), "context.location"); err != nil {
		c.fail("context.location", "%v", withTarget(err, "context.location"))
	}
}

func checkNamedContexts(c *checker) {
	if c.args.Context == nil {
		return
	}
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.args.Context.Named)) {
		path := under("context.named", name)
		canonical, err := inputs.ContextName(name)
		if err != nil {
			c.fail(path, "%q cannot be the name of a context: %v", name, err)
		}
		if other, taken := seen[canonical]; taken {
			c.fail(path, "%q and %q are one name to a Dockerfile: keep one of them", name, other)
		}
		seen[canonical] = name
		if c.unknownAt(key("context"), key("named"), key(name)) {
			continue
		}
		location := c.args.Context.Named[name].Location
		if location == "" {
			c.fail(path+".location", "a named context needs a location, such as ./lib")
			continue
		}
		if inputs.IsRemoteNamedContext(location) || isAwaited(location, c.promised) {
			continue
		}
		if err := checkFolder(c.args, location, path+".location"); err != nil {
			c.fail(path+".location", "%v", withTarget(err, path+".location"))
		}
	}
}

// checkFolder returns an error if a folder does not exist or cannot be read. The error shows the absolute path,
// so that nobody needs to ask what a relative path is relative to. input is the property that names the folder.
func checkFolder(a ImageArgs, dir, input string) error {
	if scheme, _, ok := strings.Cut(dir, "://"); ok {
		return fmt.Errorf("%q: a build context is a folder, a git repository or the http(s) URL of an archive, "+
			"and a named one may be docker-image://reference; %s:// is not known", dir, scheme)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	err = a.files().CheckContext(abs)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(dir, "~"):
		return tildeError(dir, input)
	case errors.Is(err, fs.ErrNotExist) && inputs.IsRemote(dir):
		return fmt.Errorf("%q: no such folder: there is no %s. If a git repository is meant, write its URL with "+
			"the scheme: https://… or ssh://…", dir, abs)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%q: no such folder: there is no %s. %s", dir, abs, madeElsewhereRemedy)
	case isFile(abs, err):
		return fmt.Errorf("%q: %s is not a folder", dir, abs)
	}
	return fmt.Errorf("%q: %w", dir, err)
}

// isFile tells whether a path could not be opened as a folder because it is something else.
func isFile(path string, err error) bool {
	if errors.Is(err, syscall.ENOTDIR) {
		return true
	}
	if errors.As(err, new(*file.LinkError)) {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

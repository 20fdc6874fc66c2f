package daemon

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
)

// namespacePrefix begins the name of each temporary folder of rootlesskit.
const namespacePrefix = "rootlesskit-"

// namespacePathLimit bounds the path of that folder: rootlesskit makes a socket "api.sock" in it, and the path of a
// socket has 107 bytes.
const namespacePathLimit = 107 - len("/api.sock")

// makeNamespaceFolder makes a temporary folder for the next rootlesskit and returns its path. It removes the folder
// before it, which a rootlesskit that was killed has left. The caller holds the alive lock.
//
// The folder is not in that of the daemon, whose path may be too long for a socket. The path is noted first, so a
// folder that exists is always known.
func (c client) makeNamespaceFolder() (path string, err error) {
	if err := c.removeNamespaceFolder(); err != nil {
		return "", err
	}
	var failed error
	for _, temp := range []string{os.TempDir(), "/tmp"} {
		path := filepath.Join(temp, namespacePrefix+rand.Text()[:10])
		if len(path) > namespacePathLimit || !filepath.IsAbs(path) {
			continue
		}
		if err := c.Write(namespaceFile, []byte(path)); err != nil {
			return "", err
		}
		err := os.Mkdir(path, 0o700)
		if err == nil {
			return path, nil
		}
		failed = errors.Join(failed, err)
	}
	return "", failed
}

// removeNamespaceFolder removes the folder of the last rootlesskit, if it is still there.
func (c client) removeNamespaceFolder() error {
	text, err := c.Read(namespaceFile, file.LimitText)
	path := string(text)
	if err != nil || !filepath.IsAbs(path) || !strings.HasPrefix(filepath.Base(path), namespacePrefix) {
		return nil //nolint:nilerr // there was none
	}
	// What another user put in its place stays.
	_ = os.RemoveAll(path)
	return c.Remove(namespaceFile)
}

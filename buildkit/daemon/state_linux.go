package daemon

import (
	"errors"
	"io/fs"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// stateDepth is how deep BuildKit's state is looked at: down to its databases and the folders of its content.
const stateDepth = 4

// checkState returns an *Error if another user may have put something into BuildKit's state while a folder was open to
// others: buildkitd would follow a planted link, for example.
//
// checkState ignores the modes below the root folder, which has mode 0700: BuildKit and containerd make some folders
// that everybody may enter.
func checkState(f daemonFolder) error {
	root, err := f.Sub(rootFolder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = checkTree(root, stateDepth)
	}
	return explainPlanted(f, err)
}

// checkTree returns an error if another user may have made an entry of the folder, or of the folders below it, down to
// this depth. It closes the folder.
func checkTree(folder *private.Folder, depth int) error {
	defer func() { _ = folder.Close() }()
	entries, err := folder.Entries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch {
		case e.Name() == "executor": // folders of steps, which the keeper removes
		case e.Name() == "snapshots" && depth < stateDepth-1: // the files of images have other owners
		case e.IsDir() && depth > 0:
			sub, err := folder.SubAny(e.Name())
			if err == nil {
				err = checkTree(sub, depth-1)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		case !e.IsDir():
			if err := folder.CheckFile(e.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

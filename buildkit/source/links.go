package source

import "github.com/tonistiigi/fsutil"

// FollowLinks turns paths below dir, as a Dockerfile gives them, into patterns for a Scope: the paths themselves and
// whatever links in them lead to, as BuildKit follows them. Nil is everything: a path leads to the root.
func FollowLinks(dir string, paths []string) ([]string, error) {
	disk, err := fsutil.NewFS(dir)
	if err != nil {
		return nil, err
	}
	return fsutil.FollowLinks(disk, paths)
}

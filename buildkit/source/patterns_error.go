package source

import (
	"fmt"
	"time"
)

// judgeLimit is the most time that patterns may take to choose the files of a folder, over all processors.
//
// A stranger may write an ignore file of which each pattern is tried on every file of a large context. Scan does not
// measure the time of ordinary patterns: see Scope.isCostly.
var judgeLimit = time.Minute

// patternsError says that the patterns of an ignore file, or the wildcards of a Dockerfile, take too long on a folder.
type patternsError struct {
	dir      string
	patterns int
	limit    time.Duration
}

func (e *patternsError) Error() string {
	return fmt.Sprintf("build context %s: it was not read: its %d patterns take more than %s to choose its files. "+
		"Write whole folders into .dockerignore instead of the names in them, and copy folders instead of wildcards",
		e.dir, e.patterns, e.limit)
}

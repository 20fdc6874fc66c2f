package source

import (
	"fmt"
	"strings"
	"time"
)

// judgeLimit bounds the time that patterns take to choose the files of a folder, over all processors. A stranger may write an
// ignore file of which each pattern is tried on every file of a large context. The time of ordinary patterns is not counted.
var judgeLimit = time.Minute

// From these on the time of patterns is counted: bytes of all patterns, and wildcards of one.
const (
	costlyBytes     = 8 << 10
	costlyWildcards = 16
)

// patternsError says that the patterns of an ignore file, or the wildcards of a Dockerfile, take too long on a folder.
type patternsError struct {
	dir      string
	patterns int
	limit    time.Duration
}

func (e *patternsError) Error() string {
	return fmt.Sprintf("build context %s: it was not read: its %d patterns take more than %s to choose its files. Write whole folders "+
		"into .dockerignore instead of the names in them, and copy folders instead of wildcards", e.dir, e.patterns, e.limit)
}

func (s Scope) isCostly() bool {
	size := 0
	for _, patterns := range [][]string{s.Includes, s.Excludes} {
		for _, p := range patterns {
			size += len(p)
			if strings.Count(p, "*")+strings.Count(p, "?") > costlyWildcards {
				return true
			}
		}
	}
	return size > costlyBytes
}

// judge decides about a child of a folder. It returns a *patternsError when the patterns have taken too long.
func (w *walk) judge(m *matchers, name string, isDir bool, parent verdict) (verdict, error) {
	if !m.costly {
		return m.judge(name, isDir, parent)
	}
	started := time.Now()
	v, err := m.judge(name, isDir, parent)
	if spent := time.Duration(w.judging.Add(int64(time.Since(started)))); err == nil && spent > judgeLimit {
		err = &patternsError{dir: w.root.Name(), patterns: w.patterns, limit: judgeLimit}
	}
	return v, err
}

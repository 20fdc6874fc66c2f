package source

import (
	"math"
	"slices"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/private"
)

// KeepNewest removes the files of a folder that were written first, until at most n are left with at most so many bytes in all; 0
// bytes are no bound.
func KeepNewest(dir *private.Folder, n int, bytes int64) {
	files, err := dir.Entries()
	if err != nil || bytes == 0 && len(files) <= n {
		return
	}
	if bytes == 0 {
		bytes = math.MaxInt64
	}
	stats := make([]stat, 0, len(files))
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			stats = append(stats, stat{info.Name(), info.ModTime(), info.Size()})
		}
	}
	slices.SortFunc(stats, func(a, b stat) int { return b.written.Compare(a.written) })
	for i, s := range stats {
		if bytes -= s.size; i >= n || bytes < 0 {
			_ = dir.Remove(s.name)
		}
	}
}

type stat struct {
	name    string
	written time.Time
	size    int64
}

// Package sourcetest makes the build context that the benchmarks measure.
package sourcetest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

const (
	files     = 200_000
	perFolder = 50
	perTop    = 2_000
	smallest  = 1_000
	largest   = 9_240
)

// Fill writes 200,000 files below a folder, 1 GB in all, in 4,000 folders of 100: d0/s0/file0.txt to
// d99/s39/file49.txt. The contents cannot be compressed and are the same each time. It returns when the files are old
// enough for the cache, which takes no file that is younger than two seconds.
func Fill(dir string) error {
	noise, content := rand.NewChaCha8([32]byte{}), make([]byte, largest)
	for f := range files {
		top, sub := fmt.Sprintf("d%d", f/perTop), fmt.Sprintf("s%d", f/perFolder%(perTop/perFolder))
		folder := filepath.Join(dir, top, sub)
		if f%perFolder == 0 {
			if err := os.MkdirAll(folder, 0o755); err != nil {
				return err
			}
		}
		_, _ = noise.Read(content) // never fails
		size := smallest + noise.Uint64()%(largest-smallest)
		path := filepath.Join(folder, fmt.Sprintf("file%d.txt", f%perFolder))
		if err := os.WriteFile(path, content[:size], 0o644); err != nil {
			return err
		}
	}
	<-time.After(3 * time.Second)
	return nil
}

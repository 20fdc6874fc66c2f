package source

import "os"

const openFlags = 0

// sentMode gives every file the executable bit and drops group and other write, as BuildKit's own client does on Windows,
// where the file system has no such bits.
func sentMode(m os.FileMode) os.FileMode { return m&^os.ModePerm | (m.Perm()|0o111)&0o755 }

package folder

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
)

// content is what a mount holds beyond what it starts with.
type content struct {
	entries []entry  // the mount itself is the first
	removed []string // paths that only the base has
	isEmpty bool
	base    string           // the digest of the base; "" if there is none
	start   map[string]entry // what the base has, by path

	leftOut      int
	leftOutBytes int64
}

// read reads the content of a mount. The base is a folder with what the mount starts with, if it exists.
func read(mount, base string) (content, error) {
	all, err := scan(mount)
	if err != nil {
		return content{}, err
	}
	start, err := scan(base)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return content{}, err
	}
	var c content
	if len(start) > 0 {
		if c.base, err = hashContent(base, start); err != nil {
			return content{}, err
		}
		start = start[1:]
	}
	changed, removed := compare(all[1:], start)
	c.entries, c.removed = append(all[:1:1], changed...), removed
	c.isEmpty = len(changed) == 0 && len(removed) == 0
	c.start = map[string]entry{}
	for _, e := range start {
		c.start[e.path] = e
	}
	return c, nil
}

// bound leaves out the oldest files until the others have at most so many bytes. Names of one file are left out
// together.
func (c *content) bound(limit int64) {
	var files []entry
	counted := map[inode]bool{}
	total := int64(0)
	for _, e := range c.entries {
		if e.isFile() && !counted[e.inode] {
			counted[e.inode] = true
			files, total = append(files, e), total+e.size
		}
	}
	slices.SortStableFunc(files, func(a, b entry) int { return cmp.Compare(a.modified.Nano(), b.modified.Nano()) })
	left := map[inode]bool{}
	for _, e := range files {
		if total <= limit {
			break
		}
		left[e.inode] = true
		total -= e.size
		c.leftOut, c.leftOutBytes = c.leftOut+1, c.leftOutBytes+e.size
	}
	c.entries = slices.DeleteFunc(c.entries, func(e entry) bool { return e.isFile() && left[e.inode] })
}

// report returns the report of a mount that was only looked at.
func (c *content) report() Report {
	r := Report{
		Empty: c.isEmpty, Base: c.base, Digest: digestOf(c.entries, c.removed), LeftOut: c.leftOut,
		LeftOutBytes: c.leftOutBytes,
	}
	counted := map[inode]bool{}
	for _, e := range c.entries {
		if e.isFile() && !counted[e.inode] {
			counted[e.inode] = true
			r.Files, r.Bytes = r.Files+1, r.Bytes+e.size
		}
	}
	return r
}

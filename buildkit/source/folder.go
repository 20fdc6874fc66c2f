package source

// folder is one folder of a walk, with what was recorded in it.
type folder struct {
	path    string // "." for the root
	mtime   int64  // as it is recorded, seconds
	verdict verdict
	parts   [][]walkedChild // in order, one for each chunk of names
	total   int             // entries here and below, after countEntries

	reserved        map[string]bool // see reservedBelow.names
	leadsToReserved bool            // it is taken only for what else is in it
}

// walkedChild is one child that is taken, or a folder that may have children that are.
type walkedChild struct {
	entry  entry
	taken  bool
	folder *folder // of a folder
}

// countEntries returns how many entries flatten appends. Of the folders that are not taken themselves it takes those
// with something in them. Of those that lead to a reserved path it drops the ones with nothing else in them.
func (f *folder) countEntries() int {
	for _, part := range f.parts {
		for i := range part {
			if sub := part[i].folder; sub != nil && sub.countEntries() > 0 {
				part[i].taken = true
				f.total += sub.total
			} else if sub != nil && sub.leadsToReserved {
				part[i].taken = false
			}
			if part[i].taken {
				f.total++
			}
		}
	}
	return f.total
}

// flatten appends the entries in the order in which BuildKit wants them: each folder before what is in it, and both
// before the next sibling.
func (f *folder) flatten(into []entry) []entry {
	for _, part := range f.parts {
		for i := range part {
			if child := &part[i]; child.taken {
				into = append(into, child.entry)
				if child.folder != nil {
					into = child.folder.flatten(into)
				}
			}
		}
	}
	return into
}

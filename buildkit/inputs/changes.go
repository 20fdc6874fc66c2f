package inputs

import (
	"bytes"
	"cmp"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// Labels are what a person calls the sources that have no path.
type Labels struct {
	Context string // the location of the main context
	Named   string // stands before the name of a named context, whose location it is
	Inline  string // the text of a Dockerfile that is no file
	URL     string // the Dockerfile at a URL
}

// Changes returns what is different in the inputs from those that had the hash before. It returns false when these are
// not known here.
func (h *History) Changes(before string, in *Inputs, labels Labels) ([]source.Change, bool) {
	was := h.recall(before)
	if _, ok := was[locationPrefix+dockerfileSource]; !ok {
		return nil, false
	}
	texts := textTree(in)
	all, ok := texts.Changes(was[dockerfileSource], existsFunc(in, dockerfileSource))
	if !ok {
		return nil, false
	}
	dockerfileChanged := len(all) > 0
	seen := texts.Paths() // the Dockerfile may stand in the context too
	for _, c := range all {
		seen = append(seen, c.Path)
	}
	for name, tree := range in.readTrees() {
		if len(was[locationPrefix+name]) > 0 {
			continue // it was elsewhere: locationChanges says it all
		}
		changes, ok := tree.Changes(was[name], existsFunc(in, name))
		if !ok {
			return nil, false
		}
		all = append(all, withDisplayPaths(name, changes, seen)...)
	}
	all = append(all, locationChanges(was, historySections(in), labels)...)
	if !dockerfileChanged {
		all = dropExcluded(in, all)
	}
	for i := range all {
		switch {
		case all[i].Path != inlineName:
		case in.files.DockerfileURL != "":
			all[i].Path = labels.URL
		default:
			all[i].Path = labels.Inline
		}
	}
	slices.SortStableFunc(all, func(a, b source.Change) int { return cmp.Compare(a.Path, b.Path) })
	return all, true
}

// dropExcluded drops the changes of files that an earlier version counted although every use excludes them: no person
// changed those. It returns all changes if there are no others.
func dropExcluded(in *Inputs, all []source.Change) []source.Change {
	others := slices.DeleteFunc(slices.Clone(all), func(c source.Change) bool {
		name, path := contextSource, c.Path
		if context, inside, ok := strings.Cut(c.Path, ":"); ok && in.trees[namedContextSource(context)] != nil {
			name, path = namedContextSource(context), inside
		}
		return c.Kind == source.Unread && in.trees[name].Has(path)
	})
	if len(others) == 0 {
		return all
	}
	return others
}

// withDisplayPaths returns the changes in a context with the paths as a person knows them. It drops changes in the main
// context at the paths in seen.
func withDisplayPaths(name string, changes []source.Change, seen []string) []source.Change {
	var all []source.Change
	for _, c := range changes {
		if name == contextSource && c.Kind != source.Mode && slices.Contains(seen, c.Path) {
			continue
		}
		if context, ok := strings.CutPrefix(name, namedContextSource("")); ok {
			c.Path = context + ":" + c.Path
		}
		all = append(all, c)
	}
	return all
}

// locationChanges returns which contexts are elsewhere now, are new, or are not read any more, under their labels.
func locationChanges(before, after map[string][]byte, labels Labels) (changes []source.Change) {
	all := maps.Clone(before)
	maps.Copy(all, after)
	for name := range all {
		context, isLocation := strings.CutPrefix(name, locationPrefix)
		if !isLocation {
			continue
		}
		old, wasRead := before[name]
		next, isRead := after[name]
		c := source.Change{Path: labels.location(context)}
		switch {
		case wasRead && !isRead:
			c.Kind = source.Unread
		case wasRead && !bytes.Equal(old, next):
			c.Kind, c.Detail = source.Modified, locationText(old)+" became "+locationText(next)
		case !wasRead && len(next) > 0: // of a folder the files are changes already
			c.Kind, c.Detail = source.Added, locationText(next)
		default:
			continue
		}
		changes = append(changes, c)
	}
	return changes
}

// location returns the label of a context.
func (l Labels) location(context string) string {
	if name, ok := strings.CutPrefix(context, namedContextSource("")); ok {
		return l.Named + name
	}
	return l.Context
}

// existsFunc returns a function that tells whether a path of a source exists on the disk, whether it is in the tree or
// not.
func existsFunc(in *Inputs, name string) func(path string) bool {
	dir := in.contexts[name].dir
	if name == dockerfileSource {
		dir = in.files.Context
	}
	return func(path string) bool {
		if path == inlineName {
			return false
		}
		path = filepath.FromSlash(path)
		if !filepath.IsLocal(path) { // the Dockerfile's, as the program writes it
			return fileExists(path)
		}
		root, err := in.files.open(dir)
		if err != nil {
			return false
		}
		defer func() { _ = root.Close() }()
		_, err = root.Lstat(path) // which leaves dir through no link
		return err == nil
	}
}

package inputs

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// locationPrefix begins the names of sections that say where a source is; the others are listings.
const locationPrefix = "at "

// inlineName is shown for a Dockerfile that is no file.
const inlineName = "dockerfile.inline"

// sections are what the history keeps of the inputs: for each source that is read its place and, when it is here, its listing.
func (in *Inputs) sections() map[string][]byte {
	all := map[string][]byte{definitionSource: in.texts().AppendListing(nil), locationPrefix + definitionSource: nil}
	for name, tree := range in.readTrees() {
		all[locationPrefix+name] = nil
		all[name] = tree.AppendListing(nil)
	}
	for name, location := range in.urls {
		if in.mayReadSource(name) {
			all[locationPrefix+name] = locationMark(location)
		}
	}
	return all
}

// readTrees are the trees of the contexts on this machine that are read, without what every use of them excludes.
func (in *Inputs) readTrees() map[string]*source.Tree {
	trees := map[string]*source.Tree{}
	for name := range in.contexts {
		if in.mayReadSource(name) {
			trees[name] = in.trees[name].WithoutExcluded(in.usesOf(name))
		}
	}
	return trees
}

// locationMark is a location as it may be shown, and a mark of all of it.
func locationMark(location string) []byte {
	mark := sha256.Sum256([]byte(location))
	return append(mark[:8], withoutSecrets(location)...)
}

// withoutSecrets is a location without the user and the query of a URL: they may hold a token.
func withoutSecrets(location string) string {
	scheme, rest, isURL := strings.Cut(location, "://")
	if !isURL || scheme+"://" == ImageScheme {
		return location
	}
	host, path, hasPath := strings.Cut(rest, "/")
	host = host[strings.LastIndex(host, "@")+1:]
	if hasPath {
		host += "/" + path
	}
	host, _, _ = strings.Cut(host, "?")
	return scheme + "://" + host
}

func locationText(place []byte) string {
	if len(place) < 8 {
		return "a directory"
	}
	return string(place[8:])
}

// texts are the Dockerfile and its ignore file by the paths under which a person knows them: from the root of the main context
// when they are in it.
func (in *Inputs) texts() *source.Tree {
	files := map[string][]byte{}
	switch {
	case in.files.Dockerfile != "":
		files[in.pathOf(in.files.Dockerfile)] = in.Dockerfile
	case in.files.Inline != nil:
		files[inlineName] = in.Dockerfile
	}
	if in.Ignore != nil {
		files[in.pathOf(in.IgnorePath)] = in.Ignore
	}
	return source.FromFiles(files)
}

func (in *Inputs) pathOf(file string) string {
	if dir, err := filepath.Abs(in.files.Context); err == nil && !IsRemote(in.files.Context) {
		abs, _ := filepath.Abs(file) // the working directory is there: it was a moment ago
		if inside, err := filepath.Rel(dir, abs); err == nil && filepath.IsLocal(inside) {
			return filepath.ToSlash(inside)
		}
	}
	return filepath.ToSlash(file)
}

// Changes tells what is different in the inputs from those that had the hash before. It returns false when these are not
// known here.
func (h *History) Changes(before string, in *Inputs) ([]source.Change, bool) {
	was := h.recall(before)
	if _, known := was[locationPrefix+definitionSource]; !known {
		return nil, false
	}
	texts := in.texts()
	all, ok := texts.Changes(was[definitionSource], in.existsFunc(definitionSource))
	if !ok {
		return nil, false
	}
	edited := len(all) > 0
	told := texts.Paths() // the Dockerfile may stand in the context too
	for _, c := range all {
		told = append(told, c.Path)
	}
	for name, tree := range in.readTrees() {
		if len(was[locationPrefix+name]) > 0 {
			continue // it was elsewhere: moved says it all
		}
		changes, ok := tree.Changes(was[name], in.existsFunc(name))
		if !ok {
			return nil, false
		}
		all = append(all, withDisplayPaths(name, changes, told)...)
	}
	all = append(all, in.locationChanges(was)...)
	if !edited {
		all = in.withoutExcluded(all)
	}
	slices.SortStableFunc(all, func(a, b source.Change) int { return cmp.Compare(a.Path, b.Path) })
	return all, true
}

// withoutExcluded drops what an earlier version counted although every use excludes it, which is not what a person changed. It
// returns all changes if there are no others.
func (in *Inputs) withoutExcluded(all []source.Change) []source.Change {
	others := slices.DeleteFunc(slices.Clone(all), func(c source.Change) bool {
		name, path := contextSource, c.Path
		if context, inside, named := strings.Cut(c.Path, ":"); named && in.trees[localName(context)] != nil {
			name, path = localName(context), inside
		}
		return c.Kind == source.Unread && in.trees[name].Has(path)
	})
	if len(others) == 0 {
		return all
	}
	return others
}

// withDisplayPaths are the changes in a context with the paths as a person knows them, without those of the main one that are told already.
func withDisplayPaths(name string, changes []source.Change, told []string) []source.Change {
	var all []source.Change
	for _, c := range changes {
		if name == contextSource && c.Kind != source.Mode && slices.Contains(told, c.Path) {
			continue
		}
		if context, named := strings.CutPrefix(name, localName("")); named {
			c.Path = context + ":" + c.Path
		}
		all = append(all, c)
	}
	return all
}

// locationChanges tells which contexts are elsewhere now, are new, or are not read any more, under the names of their properties.
func (in *Inputs) locationChanges(was map[string][]byte) (changes []source.Change) {
	now := in.sections()
	all := maps.Clone(was)
	maps.Copy(all, now)
	for name := range all {
		context, isPlace := strings.CutPrefix(name, locationPrefix)
		if !isPlace {
			continue
		}
		old, had := was[name]
		next, has := now[name]
		c := source.Change{Path: inputName(context)}
		switch {
		case had && !has:
			c.Kind = source.Unread
		case had && !bytes.Equal(old, next):
			c.Kind, c.Detail = source.Modified, locationText(old)+" became "+locationText(next)
		case !had && len(next) > 0: // of a directory the files are told
			c.Kind, c.Detail = source.Added, locationText(next)
		default:
			continue
		}
		changes = append(changes, c)
	}
	return changes
}

// inputName is the input that says where a context is.
func inputName(context string) string {
	if name, named := strings.CutPrefix(context, localName("")); named {
		return "context.named." + name
	}
	return "context.location"
}

// existsFunc tells whether a path is still there that is not in a tree any more.
func (in *Inputs) existsFunc(name string) func(path string) bool {
	dir := in.contexts[name].dir
	if name == definitionSource {
		dir = in.files.Context
	}
	return func(path string) bool {
		if path == inlineName {
			return false
		}
		path = filepath.FromSlash(path)
		if !filepath.IsLocal(path) { // the Dockerfile's, as the program writes it
			_, err := os.Lstat(path)
			return err == nil
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

package inputs

import (
	"crypto/sha256"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// locationPrefix begins the names of sections that say where a source is; the others are listings.
const locationPrefix = "at "

// inlineName stands in the histories on disk for the path of a Dockerfile that is no file.
const inlineName = "dockerfile.inline"

// historySections returns what the history keeps of the inputs: for each source that is read its location and, when it
// is on this machine, its listing.
func historySections(in *Inputs) map[string][]byte {
	all := map[string][]byte{
		dockerfileSource:                  textTree(in).AppendListing(nil),
		locationPrefix + dockerfileSource: nil,
	}
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

// textTree returns the Dockerfile and its ignore file by the paths under which a person knows them.
func textTree(in *Inputs) *source.Tree {
	files := map[string][]byte{}
	switch {
	case in.files.Dockerfile != "":
		files[in.files.displayPath(in.files.Dockerfile)] = in.Dockerfile
	case in.files.Inline != nil, in.files.DockerfileURL != "":
		files[inlineName] = in.Dockerfile
	}
	if in.Ignore != nil {
		files[in.files.displayPath(in.IgnorePath)] = in.Ignore
	}
	return source.FromFiles(files)
}

// locationMark returns a digest of a location, and behind it the location as it may be shown.
func locationMark(location string) []byte {
	mark := sha256.Sum256([]byte(location))
	return append(mark[:8], withoutSecrets(location)...)
}

// locationText returns what a mark shows of a location.
func locationText(mark []byte) string {
	if len(mark) < 8 {
		return "a folder"
	}
	return string(mark[8:])
}

// withoutSecrets returns a location without the user and the query of a URL, which may hold a token.
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

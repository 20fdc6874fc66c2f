package source

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/tonistiigi/fsutil"
	"google.golang.org/grpc/metadata"
)

// request is what a daemon asks of one local source.
type request struct {
	name   string // of the local source
	filter fsutil.FilterOpt
}

// filterToApply returns the filter of a request for the ignore file alone, and nil for any other. A daemon keeps the
// ignore file alone under a key of its own; Server says why other filters are ignored.
func (r request) filterToApply() *fsutil.FilterOpt {
	if slices.Equal(r.filter.FollowPaths, []string{".dockerignore"}) {
		return &r.filter
	}
	return nil
}

// parseRequest reads a request as BuildKit puts it into gRPC metadata (session/filesync, FSSync).
func parseRequest(md metadata.MD) (request, error) {
	var r request
	names, err := decodeValues(md, "dir-name")
	if err != nil {
		return r, err
	}
	if len(names) > 0 {
		r.name = names[0]
	}
	if r.filter.IncludePatterns, err = decodeValues(md, "include-patterns"); err != nil {
		return r, err
	}
	if r.filter.ExcludePatterns, err = decodeValues(md, "exclude-patterns"); err != nil {
		return r, err
	}
	r.filter.FollowPaths, err = decodeValues(md, "followpaths")
	return r, err
}

// decodeValues returns the values of a key. Metadata holds ASCII only, so they are percent-encoded when the key with
// the suffix -encoded says so.
func decodeValues(md metadata.MD, key string) ([]string, error) {
	raw := md[key]
	if flag := md[key+"-encoded"]; len(flag) == 0 || !isTrue(flag[0]) {
		return raw, nil
	}
	decoded := make([]string, len(raw))
	for i, v := range raw {
		plain, err := url.QueryUnescape(v)
		if err != nil {
			return nil, fmt.Errorf("the daemon's request for local files cannot be read: %s: %w", key, err)
		}
		decoded[i] = plain
	}
	return decoded, nil
}

func isTrue(s string) bool {
	b, err := strconv.ParseBool(s)
	return err == nil && b
}

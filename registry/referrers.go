package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// maxPages bounds how many pages of referrers are read.
const maxPages = 16

// noReferrersAPI are the statuses of a registry that has no such API.
var noReferrersAPI = []int{
	http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented,
}

// refusedReferrers are the statuses of a registry, or of a proxy before it, that refuses routes that it does not know.
var refusedReferrers = []int{http.StatusUnauthorized, http.StatusForbidden}

// referrers returns what refers to a digest. It asks the API of the specification, and a registry without it for the
// tag that clients keep instead:
// https://github.com/opencontainers/distribution-spec/blob/main/spec.md#unavailable-referrers-api.
//
// If the API is refused and the tag lists nothing, it returns the refusal: there may be some.
func (s *session) referrers(ctx context.Context, of digest.Digest) ([]Referrer, error) {
	var all []Referrer
	path := "referrers/" + of.String()
	for range maxPages {
		resp, err := s.do(ctx, request{method: http.MethodGet, path: path, accept: string(types.OCIImageIndex)})
		switch {
		case err != nil && len(all) == 0 && slices.Contains(noReferrersAPI, resp.status):
			return s.taggedReferrers(ctx, of)
		case err != nil && len(all) == 0 && slices.Contains(refusedReferrers, resp.status):
			if tagged, tagErr := s.taggedReferrers(ctx, of); tagErr == nil && len(tagged) > 0 {
				return tagged, nil
			}
			return nil, err
		case err != nil:
			return nil, err
		}
		var page struct {
			Manifests descriptors `json:"manifests"`
		}
		if err := json.Unmarshal(resp.body, &page); err != nil {
			return nil, fmt.Errorf("%w: the registry served no list: %w", fault.ErrMismatch, err)
		}
		all = append(all, newReferrers(page.Manifests)...)
		if path = s.nextPage(resp); path == "" {
			return all, nil
		}
	}
	return nil, fmt.Errorf("%w: more than %d pages", fault.ErrMismatch, maxPages)
}

// taggedReferrers returns what the tag for the referrers of a digest lists.
func (s *session) taggedReferrers(ctx context.Context, of digest.Digest) ([]Referrer, error) {
	d, err := s.fetch(ctx, of.Algorithm().String()+"-"+of.Encoded(), digest.Canonical)
	if errors.Is(err, fault.ErrNotFound) {
		return nil, nil
	}
	return newReferrers(d.content.Manifests), err
}

func newReferrers(listed []ocispec.Descriptor) []Referrer {
	var all []Referrer
	for _, d := range listed {
		all = append(all, Referrer{
			ArtifactType: d.ArtifactType, MediaType: d.MediaType, Digest: d.Digest.String(), Size: d.Size,
			Annotations: d.Annotations,
		})
	}
	return all
}

// nextLink matches the header that names the next page.
var nextLink = regexp.MustCompile(`^<([^>]+)>;\s*rel="?next"?`)

// nextPage returns the path of the next page of an answer; "" after the last one. It does not leave the repository.
func (s *session) nextPage(resp response) string {
	match := nextLink.FindStringSubmatch(resp.header.Get("Link"))
	if match == nil {
		return ""
	}
	at, err := url.Parse(match[1])
	if err != nil {
		return ""
	}
	path, ok := strings.CutPrefix(at.Path, "/v2/"+s.repository.RepositoryStr()+"/")
	if !ok || !strings.HasPrefix(path, "referrers/") {
		return ""
	}
	return path + "?" + at.RawQuery
}

package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// fetch returns the document that a tag or a digest refers to now, with the digest of its bytes. It returns ErrMismatch
// if the bytes do not have the digest that was asked for, if the registry promised another one, or if they are no
// manifest.
func (s *session) fetch(ctx context.Context, reference string, algorithm digest.Algorithm) (document, error) {
	resp, err := s.do(ctx, request{method: http.MethodGet, path: "manifests/" + reference, accept: acceptedTypes})
	if err != nil {
		return document{}, err
	}
	d := document{raw: resp.body, digest: algorithm.FromBytes(resp.body)}
	if want := digest.Digest(reference); want.Validate() == nil && want != d.digest {
		return document{}, newMismatch(want, d.digest)
	}
	if err := checkDigestHeader(resp, d.digest); err != nil {
		return document{}, err
	}
	return parseDocument(d, resp.header.Get("Content-Type"))
}

// fetchDigest fetches the document of a digest, and remembers it.
func (s *session) fetchDigest(ctx context.Context, want digest.Digest) (document, error) {
	d, err := s.fetch(ctx, want.String(), want.Algorithm())
	if err == nil {
		s.remember(d)
	}
	return d, err
}

// seenOrFetch returns the document of a digest that the repository has served before, or fetches it.
func (s *session) seenOrFetch(ctx context.Context, want digest.Digest) (document, error) {
	if seen, ok := s.seen.Load(s.nameOf(want)); ok {
		return seen.(document), nil
	}
	return s.fetchDigest(ctx, want)
}

// remember keeps a document that the repository has served.
func (s *session) remember(d document) { s.seen.Store(s.nameOf(d.digest), d) }

func (s *session) nameOf(d digest.Digest) string { return s.repository.Name() + "@" + d.String() }

// resolve returns the digest that a reference stands for. It asks by HEAD, which costs no body, and at Docker Hub no
// part of the rate limit. It asks by GET where the answer to HEAD is a refusal or gives no digest: only the answer to
// GET has a reason.
func (s *session) resolve(ctx context.Context, reference string, algorithm digest.Algorithm) (digest.Digest, error) {
	held, resp, err := s.head(ctx, reference)
	if held != "" || err != nil && !isRefusal(resp.status) {
		return held, err
	}
	d, err := s.fetch(ctx, reference, algorithm)
	return d.digest, err
}

// head asks by HEAD, and returns the digest in the header. It returns "" where the header has none.
func (s *session) head(ctx context.Context, reference string) (digest.Digest, response, error) {
	resp, err := s.do(ctx, request{method: http.MethodHead, path: "manifests/" + reference, accept: acceptedTypes})
	if err != nil {
		return "", resp, err
	}
	held, err := digest.Parse(resp.header.Get("Docker-Content-Digest"))
	if err != nil {
		return "", resp, nil
	}
	return held, resp, nil
}

// isRefusal reports whether a registry refused a request. A 429 does not depend on the method, and so it does not
// count.
func isRefusal(status int) bool { return status/100 == 4 && status != http.StatusTooManyRequests }

// blob fetches a small blob, such as an image's configuration. It returns ErrMismatch as fetch does.
func (s *session) blob(ctx context.Context, want digest.Digest) ([]byte, error) {
	if err := want.Validate(); err != nil {
		return nil, fmt.Errorf("%w: blob %q: %w", fault.ErrMismatch, want, err)
	}
	resp, err := s.do(ctx, request{method: http.MethodGet, path: "blobs/" + want.String()})
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", want, err)
	}
	if got := want.Algorithm().FromBytes(resp.body); got != want {
		return nil, newMismatch(want, got)
	}
	return resp.body, nil
}

// put stores a document under a tag.
func (s *session) put(ctx context.Context, label string, d document) error {
	resp, err := s.do(ctx, request{
		method: http.MethodPut, path: "manifests/" + label, contentType: d.mediaType, body: d.raw,
	})
	if err != nil {
		return err
	}
	return checkDigestHeader(resp, d.digest)
}

// fetchEntry fetches the manifest of an entry of an index, and compares it with what the entry says.
func (s *session) fetchEntry(ctx context.Context, entry ocispec.Descriptor) (document, error) {
	want, err := parseDigest(entry.Digest.String())
	if err != nil {
		return document{}, fmt.Errorf("%w: %w", fault.ErrMismatch, err)
	}
	d, err := s.fetchDigest(ctx, want)
	switch {
	case err != nil:
		return document{}, err
	case int64(len(d.raw)) != entry.Size:
		return document{}, newUnexpected("it has %d bytes, its index says %d", len(d.raw), entry.Size)
	case entry.MediaType != "" && entry.MediaType != d.mediaType:
		got, want := fault.OneLine(d.mediaType), fault.OneLine(entry.MediaType)
		return document{}, newUnexpected("it is %q, its index says %q", got, want)
	}
	return d, nil
}

// fetchConfig fetches the configuration of an image. It returns ErrMismatch if it differs from what the manifest says.
func (s *session) fetchConfig(ctx context.Context, d document) (ocispec.Image, error) {
	entry := d.content.Config
	raw, err := s.blob(ctx, entry.Digest)
	if err != nil {
		return ocispec.Image{}, err
	}
	if int64(len(raw)) != entry.Size {
		return ocispec.Image{}, fmt.Errorf("%w: the configuration %s has %d bytes, its manifest says %d",
			fault.ErrMismatch, entry.Digest, len(raw), entry.Size)
	}
	var config ocispec.Image
	if err := json.Unmarshal(raw, &config); err != nil {
		return ocispec.Image{}, fmt.Errorf("%w: the configuration %s is not an image's: %w",
			fault.ErrMismatch, entry.Digest, err)
	}
	return config, nil
}

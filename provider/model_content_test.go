package provider

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// dockerfile is the Dockerfile of every image of the model. It reads one file and one build argument.
const dockerfile = "FROM scratch\nARG A=none\nLABEL arg=$A\nCOPY file /file\n"

// content is what an image is built from. Images with equal contents are equal.
type content struct {
	file      string
	arg       string
	platforms string // sorted, joined by commas
}

func (c content) String() string { return fmt.Sprintf("{%s %s %s}", c.file, c.arg, c.platforms) }

// content reads the image behind "app@sha256:…" from the registry. It returns an error if the image is incomplete or
// its platforms have different contents.
func (proxy *registryProxy) content(repository, digest string) (content, error) {
	var root ocispec.Index
	raw := proxy.manifest(repository, digest)
	if err := json.Unmarshal(raw, &root); err != nil {
		return content{}, fmt.Errorf("%s@%s: %w", repository, digest, err)
	}
	if len(root.Manifests) == 0 {
		return proxy.platformContent(repository, raw)
	}
	var all content
	var platforms []string
	for i, m := range root.Manifests {
		c, err := proxy.platformContent(repository, proxy.manifest(repository, m.Digest.String()))
		if err != nil {
			return content{}, err
		}
		if i > 0 && (c.file != all.file || c.arg != all.arg) {
			return content{}, fmt.Errorf("%s@%s: %v is not of one piece with %v", repository, digest, c, all)
		}
		platforms = append(platforms, c.platforms)
		all = c
	}
	slices.Sort(platforms)
	all.platforms = strings.Join(platforms, ",")
	return all, nil
}

// platformContent reads the image of one platform from its manifest.
func (proxy *registryProxy) platformContent(repository string, raw []byte) (content, error) {
	var m ocispec.Manifest
	if err := json.Unmarshal(raw, &m); err != nil || len(m.Layers) == 0 {
		return content{}, fmt.Errorf("%s: %q is no manifest", repository, raw)
	}
	var config ocispec.Image
	if err := json.Unmarshal(proxy.blob(repository, m.Config.Digest.String()), &config); err != nil {
		return content{}, err
	}
	file, err := fileIn(proxy.blob(repository, m.Layers[len(m.Layers)-1].Digest.String()))
	return content{file: file, arg: config.Config.Labels["arg"], platforms: config.OS + "/" + config.Architecture}, err
}

func (proxy *registryProxy) manifest(repository, digest string) []byte {
	return proxy.send(http.MethodGet, "/v2/"+repository+"/manifests/"+digest, nil).Body.Bytes()
}

func (proxy *registryProxy) blob(repository, digest string) []byte {
	return proxy.send(http.MethodGet, "/v2/"+repository+"/blobs/"+digest, nil).Body.Bytes()
}

func fileIn(layer []byte) (string, error) {
	z, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		return "", err
	}
	for archive := tar.NewReader(z); ; {
		header, err := archive.Next()
		if err != nil {
			return "", err
		}
		if header.Name == "file" {
			text, err := io.ReadAll(archive)
			return string(text), err
		}
	}
}

// send sends a request to the registry without outages, logins and failures.
func (proxy *registryProxy) send(method, path string, body []byte) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, path, bytes.NewReader(body))
	var document struct{ MediaType string }
	if json.Unmarshal(body, &document) == nil {
		req.Header.Set("Content-Type", document.MediaType)
	}
	req.Header.Set("Accept", "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json")
	answer := httptest.NewRecorder()
	proxy.inner.ServeHTTP(answer, req)
	return answer
}

// digestAt returns the digest behind "app:a" or "app@sha256:…", or "" if there is none.
func (proxy *registryProxy) digestAt(name string) string {
	repository, reference := splitName(name)
	head := proxy.send(http.MethodHead, "/v2/"+repository+"/manifests/"+reference, nil)
	return head.Header().Get("Docker-Content-Digest")
}

// splitName splits a name without a host into the repository and the tag or digest.
func splitName(name string) (repository, reference string) {
	repository, reference, _ = strings.Cut(name, "@")
	if reference == "" {
		repository, reference, _ = strings.Cut(name, ":")
	}
	return repository, reference
}

// tagInPath returns "app:a" for the path /v2/app/manifests/a, and "" for a path without a tag.
func tagInPath(path string) string {
	repository, reference, ok := strings.Cut(strings.TrimPrefix(path, "/v2/"), "/manifests/")
	if !ok || strings.Contains(reference, ":") {
		return ""
	}
	return repository + ":" + reference
}

// pushForeignConfig pushes the configuration of an image that no program of ours built, and returns its manifest.
func (proxy *registryProxy) pushForeignConfig(repository string) []byte {
	config := []byte(`{"os":"plan9","architecture":"mips","rootfs":{"type":"layers","diff_ids":[]}}`)
	upload := proxy.send(http.MethodPost, "/v2/"+repository+"/blobs/uploads/", nil).Header().Get("Location")
	sum := digest.FromBytes(config)
	proxy.send(http.MethodPut, upload+"&digest="+sum.String(), config)
	return fmt.Appendf(nil,
		`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[]}`,
		ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageConfig, sum, len(config))
}

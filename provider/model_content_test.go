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

// dockerfile is that of every image of the model: a file and a build argument are all that goes into it.
const dockerfile = "FROM scratch\nARG A=none\nLABEL arg=$A\nCOPY file /file\n"

// content is what an image is made of. Equal contents are equal images.
type content struct {
	file      string
	arg       string
	platforms string // sorted, joined by commas
}

func (c content) String() string { return fmt.Sprintf("{%s %s %s}", c.file, c.arg, c.platforms) }

// content reads the image behind "app@sha256:…" from the registry. What is not of one piece is an error.
func (f *front) content(repository, digest string) (content, error) {
	var root ocispec.Index
	raw := f.ask(http.MethodGet, "/v2/"+repository+"/manifests/"+digest, nil).Body.Bytes()
	if err := json.Unmarshal(raw, &root); err != nil {
		return content{}, fmt.Errorf("%s@%s: %w", repository, digest, err)
	}
	if len(root.Manifests) == 0 {
		return f.single(repository, raw)
	}
	var all content
	var platforms []string
	for i, m := range root.Manifests {
		c, err := f.single(repository, f.ask(http.MethodGet, "/v2/"+repository+"/manifests/"+m.Digest.String(), nil).Body.Bytes())
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

// single is the image of one platform.
func (f *front) single(repository string, raw []byte) (content, error) {
	var m ocispec.Manifest
	if err := json.Unmarshal(raw, &m); err != nil || len(m.Layers) == 0 {
		return content{}, fmt.Errorf("%s: %q is no manifest", repository, raw)
	}
	var config ocispec.Image
	if err := json.Unmarshal(f.blob(repository, m.Config.Digest.String()), &config); err != nil {
		return content{}, err
	}
	file, err := fileIn(f.blob(repository, m.Layers[len(m.Layers)-1].Digest.String()))
	return content{file: file, arg: config.Config.Labels["arg"], platforms: config.OS + "/" + config.Architecture}, err
}

func (f *front) blob(repository, digest string) []byte {
	return f.ask(http.MethodGet, "/v2/"+repository+"/blobs/"+digest, nil).Body.Bytes()
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

// ask sends a request past everything that can go wrong.
func (f *front) ask(method, path string, body []byte) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, path, bytes.NewReader(body))
	var document struct{ MediaType string }
	if json.Unmarshal(body, &document) == nil {
		req.Header.Set("Content-Type", document.MediaType)
	}
	req.Header.Set("Accept", "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json")
	answer := httptest.NewRecorder()
	f.inner.ServeHTTP(answer, req)
	return answer
}

// holds is the digest behind "app:a" or "app@sha256:…", "" when there is none.
func (f *front) holds(name string) string {
	repository, reference := parted(name)
	return f.ask(http.MethodHead, "/v2/"+repository+"/manifests/"+reference, nil).Header().Get("Docker-Content-Digest")
}

// parted is a name without host in two: repository, tag or digest.
func parted(name string) (repository, reference string) {
	repository, reference, _ = strings.Cut(name, "@")
	if reference == "" {
		repository, reference, _ = strings.Cut(name, ":")
	}
	return repository, reference
}

// tagOf is the tag of a path such as /v2/app/manifests/a, "" for any other.
func tagOf(path string) string {
	repository, reference, ok := strings.Cut(strings.TrimPrefix(path, "/v2/"), "/manifests/")
	if !ok || strings.Contains(reference, ":") {
		return ""
	}
	return repository + ":" + reference
}

// foreign is the manifest of an image that is none of ours, for which the repository has all that it needs.
func (f *front) foreign(repository string) []byte {
	config := []byte(`{"os":"plan9","architecture":"mips","rootfs":{"type":"layers","diff_ids":[]}}`)
	upload := f.ask(http.MethodPost, "/v2/"+repository+"/blobs/uploads/", nil).Header().Get("Location")
	sum := digest.FromBytes(config)
	f.ask(http.MethodPut, upload+"&digest="+sum.String(), config)
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[]}`,
		ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageConfig, sum, len(config))
}

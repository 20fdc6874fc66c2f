package registrytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
)

// ecrFront stands before the registry behind, and makes it look like Amazon ECR.
type ecrFront struct {
	*ECR
	next http.Handler // the registry behind
}

// ServeHTTP implements http.Handler.
func (f ecrFront) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch {
	case operationOf(req) != "":
		ecrAPI{f.ECR}.ServeHTTP(w, req)
	case req.URL.Path == "/" && req.Method == http.MethodPost:
		ecrAPI{f.ECR}.assumeRole(w, req)
	case f.checkToken(w, req):
		f.serveRegistry(w, req)
	}
}

// checkToken returns whether a request has a good token. It answers a request that has none.
func (f ecrFront) checkToken(w http.ResponseWriter, req *http.Request) bool {
	user, token, _ := req.BasicAuth()
	f.mu.Lock()
	expires, ok := f.tokens[token]
	expired := !f.now().Before(expires)
	f.mu.Unlock()
	switch {
	case user != tokenUser || !ok:
		challenge := fmt.Sprintf(`Basic realm="https://%s/",service="ecr.amazonaws.com"`, f.Host())
		w.Header().Set("Www-Authenticate", challenge)
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		http.Error(w, "Not Authorized", http.StatusUnauthorized)
	case expired:
		Refuse(w, http.StatusForbidden, "DENIED", "Your authorization token has expired. Reauthenticate and try again.")
	default:
		return true
	}
	return false
}

// target is what a request of the registry is about.
type target struct{ repository, kind, reference string }

var targetPattern = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs|tags)/(.*)$`)

// serveRegistry answers a request with a good token.
func (f ecrFront) serveRegistry(w http.ResponseWriter, req *http.Request) {
	found := targetPattern.FindStringSubmatch(req.URL.Path)
	if found == nil {
		f.next.ServeHTTP(w, req)
		return
	}
	t := target{found[1], found[2], found[3]}
	if action := actionOf(req.Method, t); f.isDenied(action) {
		Refuse(w, http.StatusForbidden, "DENIED", denialText(action, t.repository))
		return
	}
	repository := f.find(t.repository, isWrite(req.Method))
	switch {
	case repository == nil:
		f.refuseMissing(w, req, t)
	case req.Method == http.MethodDelete:
		Refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "The operation is unsupported.")
	case t.kind == "manifests" && req.Method == http.MethodPut:
		f.putManifest(w, req, repository, t)
	case t.kind == "manifests":
		f.getManifest(w, req, repository, t)
	default:
		f.next.ServeHTTP(w, req)
	}
}

// isWrite reports whether requests of this method change a repository.
func isWrite(method string) bool {
	return slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch}, method)
}

// actions holds the names that IAM has for the requests.
var actions = map[string]string{
	"HEAD blobs": "ecr:BatchCheckLayerAvailability", "GET blobs": "ecr:GetDownloadUrlForLayer",
	"POST blobs": "ecr:InitiateLayerUpload", "PATCH blobs": "ecr:UploadLayerPart",
	"PUT blobs":      "ecr:CompleteLayerUpload",
	"HEAD manifests": "ecr:BatchGetImage", "GET manifests": "ecr:BatchGetImage", "PUT manifests": "ecr:PutImage",
	"GET tags": "ecr:ListImages",
}

// actionOf returns the name that IAM has for a request.
func actionOf(method string, t target) string { return actions[method+" "+t.kind] }

// isDenied reports whether IAM forbids an action.
func (f ecrFront) isDenied(action string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.denied[action]
}

// refuseMissing answers a request for a repository that does not exist.
func (f ecrFront) refuseMissing(w http.ResponseWriter, req *http.Request, t target) {
	f.mu.Lock()
	cutOff := f.cutOff
	f.mu.Unlock()
	if cutOff && isWrite(req.Method) {
		panic(http.ErrAbortHandler)
	}
	Refuse(w, http.StatusNotFound, "NAME_UNKNOWN", missingText(t.repository))
}

// getManifest serves what a reference stands for.
func (f ecrFront) getManifest(w http.ResponseWriter, req *http.Request, r *repository, t target) {
	f.mu.Lock()
	held := r.servedDigest(t.reference)
	f.mu.Unlock()
	if held == "" {
		Refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "Requested image not found")
		return
	}
	f.next.ServeHTTP(w, withReference(req, t, held))
}

// withReference returns the request for another reference.
func withReference(req *http.Request, t target, reference string) *http.Request {
	again := req.Clone(req.Context())
	again.URL.Path = fmt.Sprintf("/v2/%s/%s/%s", t.repository, t.kind, reference)
	return again
}

// manifest is the part of a manifest that Amazon ECR looks at.
type manifest struct {
	MediaType    string          `json:"mediaType"`
	ArtifactType string          `json:"artifactType"`
	Subject      json.RawMessage `json:"subject"`
	Config       struct {
		Size int64 `json:"size"`
	} `json:"config"`
	Layers []struct {
		Size int64 `json:"size"`
	} `json:"layers"`
	Manifests []struct {
		Digest string `json:"digest"`
	} `json:"manifests"`
}

// putManifest stores a manifest by its digest, unless Amazon ECR would refuse it.
func (f ecrFront) putManifest(w http.ResponseWriter, req *http.Request, r *repository, t target) {
	content, err := io.ReadAll(req.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	var m manifest
	_ = json.Unmarshal(content, &m) // what is no manifest the registry behind refuses
	got := digest.FromBytes(content).String()
	if status, code, message := f.checkManifest(r, t, m); status != 0 {
		Refuse(w, status, code, message)
		return
	}
	req = withReference(req, t, got)
	req.Body = io.NopCloser(bytes.NewReader(content))
	answer := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
	f.next.ServeHTTP(answer, req)
	if answer.status == http.StatusCreated {
		f.store(r, t, got, m)
	}
}

// checkManifest returns the refusal of a manifest that Amazon ECR does not take; status is 0 for any other.
func (f ecrFront) checkManifest(r *repository, t target, m manifest) (status int, code, message string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m.ArtifactType != "" || len(m.Subject) > 0 {
		return http.StatusMethodNotAllowed, "UNSUPPORTED",
			"Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"
	}
	if r.tags[t.reference] != "" && r.keepsTag(t.reference) {
		text := fmt.Sprintf("The image tag '%s' already exists in the '%s' repository and cannot be overwritten "+
			"because the repository is immutable.", t.reference, t.repository)
		return http.StatusBadRequest, "TAG_INVALID", text
	}
	var absent []string
	for _, child := range m.Manifests {
		if r.images[child.Digest] == nil {
			absent = append(absent, child.Digest)
		}
	}
	if len(absent) > 0 {
		text := fmt.Sprintf("Images with digests '[%s]' required for pushing image into repository with name '%s' in "+
			"the registry with id '%s' do not exist", strings.Join(absent, ", "), t.repository, Account)
		return http.StatusNotFound, "MANIFEST_BLOB_UNKNOWN", text
	}
	return 0, "", ""
}

// store remembers an image that was pushed. A push brings an image back from the archive.
func (f ecrFront) store(r *repository, t target, got string, m manifest) {
	pushed := &image{mediaType: m.MediaType, size: m.Config.Size, status: Active}
	for _, layer := range m.Layers {
		pushed.size += layer.Size
	}
	for _, child := range m.Manifests {
		pushed.children = append(pushed.children, child.Digest)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r.images[got] = pushed
	if t.reference != got {
		r.tags[t.reference] = got
	}
}

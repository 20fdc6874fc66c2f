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

// manners is all of Amazon ECR in front of the registry behind.
func (e *ECR) manners(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case operationOf(req) != "":
			e.api(w, req)
		case req.URL.Path == "/" && req.Method == http.MethodPost:
			e.assumeRole(w, req)
		case e.admitted(w, req):
			e.registry(w, req, next)
		}
	})
}

// target is what a request of the registry is about.
type target struct{ repository, kind, reference string }

var targetPattern = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs|tags)/(.*)$`)

func (e *ECR) registry(w http.ResponseWriter, req *http.Request, next http.Handler) {
	found := targetPattern.FindStringSubmatch(req.URL.Path)
	if found == nil {
		next.ServeHTTP(w, req)
		return
	}
	t := target{found[1], found[2], found[3]}
	if action := actionOf(req.Method, t); e.isDenied(action) {
		Refuse(w, http.StatusForbidden, "DENIED", unauthorized(action, t.repository))
		return
	}
	repository := e.find(t.repository, isWrite(req.Method))
	switch {
	case repository == nil:
		e.refuseMissing(w, req, t)
	case req.Method == http.MethodDelete:
		Refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "The operation is unsupported.")
	case t.kind == "manifests" && req.Method == http.MethodPut:
		e.putManifest(w, req, next, repository, t)
	case t.kind == "manifests":
		e.getManifest(w, req, next, repository, t)
	default:
		next.ServeHTTP(w, req)
	}
}

func isWrite(method string) bool {
	return slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch}, method)
}

// actions are what IAM calls the requests.
var actions = map[string]string{
	"HEAD blobs": "ecr:BatchCheckLayerAvailability", "GET blobs": "ecr:GetDownloadUrlForLayer",
	"POST blobs": "ecr:InitiateLayerUpload", "PATCH blobs": "ecr:UploadLayerPart", "PUT blobs": "ecr:CompleteLayerUpload",
	"HEAD manifests": "ecr:BatchGetImage", "GET manifests": "ecr:BatchGetImage", "PUT manifests": "ecr:PutImage",
	"GET tags": "ecr:ListImages",
}

func actionOf(method string, t target) string { return actions[method+" "+t.kind] }

func (e *ECR) isDenied(action string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.denied[action]
}

func (e *ECR) refuseMissing(w http.ResponseWriter, req *http.Request, t target) {
	e.mu.Lock()
	cutOff := e.cutOff
	e.mu.Unlock()
	if cutOff && isWrite(req.Method) {
		panic(http.ErrAbortHandler)
	}
	Refuse(w, http.StatusNotFound, "NAME_UNKNOWN", missing(t.repository))
}

func (e *ECR) getManifest(w http.ResponseWriter, req *http.Request, next http.Handler, r *repository, t target) {
	e.mu.Lock()
	held := r.digest(t.reference)
	e.mu.Unlock()
	if held == "" {
		Refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "Requested image not found")
		return
	}
	next.ServeHTTP(w, pathed(req, t, held))
}

// pathed is req for another reference.
func pathed(req *http.Request, t target, reference string) *http.Request {
	again := req.Clone(req.Context())
	again.URL.Path = fmt.Sprintf("/v2/%s/%s/%s", t.repository, t.kind, reference)
	return again
}

// manifest is what Amazon ECR looks at in one.
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

func (e *ECR) putManifest(w http.ResponseWriter, req *http.Request, next http.Handler, r *repository, t target) {
	content, err := io.ReadAll(req.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	var m manifest
	_ = json.Unmarshal(content, &m) // what is no manifest the registry behind refuses
	got := digest.FromBytes(content).String()
	if status, code, message := e.objection(r, t, m); status != 0 {
		Refuse(w, status, code, message)
		return
	}
	req = pathed(req, t, got)
	req.Body = io.NopCloser(bytes.NewReader(content))
	answer := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
	next.ServeHTTP(answer, req)
	if answer.status == http.StatusCreated {
		e.keep(r, t, got, m)
	}
}

// objection is why Amazon ECR takes no such manifest.
func (e *ECR) objection(r *repository, t target, m manifest) (status int, code, message string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if m.ArtifactType != "" || len(m.Subject) > 0 {
		return http.StatusMethodNotAllowed, "UNSUPPORTED",
			"Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"
	}
	if r.tags[t.reference] != "" && r.fixed(t.reference) {
		return http.StatusBadRequest, "TAG_INVALID", fmt.Sprintf("The image tag '%s' already exists in the '%s' repository and cannot be "+
			"overwritten because the repository is immutable.", t.reference, t.repository)
	}
	var absent []string
	for _, child := range m.Manifests {
		if r.images[child.Digest] == nil {
			absent = append(absent, child.Digest)
		}
	}
	if len(absent) > 0 {
		return http.StatusNotFound, "MANIFEST_BLOB_UNKNOWN", fmt.Sprintf("Images with digests '[%s]' required for pushing image into "+
			"repository with name '%s' in the registry with id '%s' do not exist", strings.Join(absent, ", "), t.repository, Account)
	}
	return 0, "", ""
}

// keep notes an image that was pushed, which brings it back from the archive.
func (e *ECR) keep(r *repository, t target, got string, m manifest) {
	pushed := &image{mediaType: m.MediaType, size: m.Config.Size, status: Active}
	for _, layer := range m.Layers {
		pushed.size += layer.Size
	}
	for _, child := range m.Manifests {
		pushed.children = append(pushed.children, child.Digest)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	r.images[got] = pushed
	if t.reference != got {
		r.tags[t.reference] = got
	}
}

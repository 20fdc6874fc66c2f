package registrytest

import (
	"net/http"
	"slices"
)

// MountOnlyFrom mounts layers from these repositories, and begins an upload in place of every other mount. Amazon ECR
// does that unless its setting BLOB_MOUNTING is on. It is for POST requests.
func MountOnlyFrom(repositories ...string) Fault {
	return func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		if from := req.URL.Query().Get("from"); !slices.Contains(repositories, from) {
			req.URL.RawQuery = ""
		}
		next.ServeHTTP(w, req)
	}
}

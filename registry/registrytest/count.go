package registrytest

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
)

// CountUploads counts the bytes of layers and configurations that the registry receives from now on.
func (r *Registry) CountUploads() *atomic.Int64 {
	count := &atomic.Int64{}
	r.Wrap(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if strings.Contains(req.URL.Path, "/blobs/uploads/") {
				req.Body = &countedBody{req.Body, count}
			}
			next.ServeHTTP(w, req)
		})
	})
	return count
}

// countedBody counts what is read of a request.
type countedBody struct {
	io.ReadCloser
	count *atomic.Int64
}

// Read implements io.Reader.
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.count.Add(int64(n))
	return n, err
}

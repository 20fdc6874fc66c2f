package registry

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// requestLog logs the requests that a registry makes us send elsewhere: redirects, and those to its token server. Of a
// URL it logs the host alone, since the rest may be signed.
type requestLog struct {
	next     http.RoundTripper
	logger   *slog.Logger
	registry string // host
}

// RoundTrip implements http.RoundTripper.
func (l requestLog) RoundTrip(req *http.Request) (*http.Response, error) {
	logger := l.logger.With("registry", l.registry, "host", req.URL.Host, "method", req.Method)
	resp, err := l.next.RoundTrip(req)
	switch {
	case err != nil && req.Response != nil:
		logger.DebugContext(req.Context(), "redirect failed", "reason", fault.OneLine(err.Error()))
	case err != nil:
		return resp, err
	case req.Response != nil:
		logger.DebugContext(req.Context(), "redirect followed", "status", resp.StatusCode)
	case isTokenRequest(req):
		text := "token refused"
		if resp.StatusCode == http.StatusOK {
			text = "token fetched"
		}
		logger.DebugContext(req.Context(), text, "status", resp.StatusCode)
	}
	return resp, err
}

// isTokenRequest reports whether a request goes to a token server. Its path is the registry's choice, and may begin
// with /v2/ as well; all other requests are for a ping, a manifest or a blob.
func isTokenRequest(req *http.Request) bool {
	path := req.URL.Path
	isOurs := path == "/v2/" || strings.Contains(path, "/manifests/") || strings.Contains(path, "/blobs/")
	return req.Response == nil && !isOurs
}

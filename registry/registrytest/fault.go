package registrytest

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
)

// Refuse answers with a status and one error in the form of the distribution specification.
func Refuse(w http.ResponseWriter, status int, code, message string) {
	type diagnostic struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []diagnostic{{code, message}}})
}

// Intercept returns a fault for Wrap. answer replaces the registry for requests of method whose path ends with suffix.
// An empty method is any.
func Intercept(method, suffix string, answer http.HandlerFunc) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if (method == "" || method == req.Method) && strings.HasSuffix(req.URL.Path, suffix) {
				answer(w, req)
				return
			}
			next.ServeHTTP(w, req)
		})
	}
}

// Rule says which requests meet a fault.
type Rule struct {
	// Method is GET, PUT and so on; empty is any.
	Method string
	// Path is part of the request's path, such as "/manifests/"; empty is any.
	Path string
	// Operation is one of Amazon ECR's API, such as "DescribeRepositories"; empty is any request.
	Operation string
	// Times is how many requests meet the fault, from the next one on; 0 is all.
	Times int
	// Fault is what happens to them.
	Fault Fault
}

// Fault answers in place of the registry, which is next.
type Fault func(w http.ResponseWriter, req *http.Request, next http.Handler)

// wrap returns a handler that puts the fault before next.
func (r Rule) wrap(next http.Handler) http.Handler {
	var count atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !r.matches(req) || r.Times > 0 && count.Add(1) > int64(r.Times) {
			next.ServeHTTP(w, req)
			return
		}
		r.Fault(w, req, next)
	})
}

// matches reports whether a request meets the fault.
func (r Rule) matches(req *http.Request) bool {
	return (r.Method == "" || r.Method == req.Method) && strings.Contains(req.URL.Path, r.Path) &&
		(r.Operation == "" || r.Operation == operationOf(req))
}

// Status refuses as Refuse does, with a Retry-After header unless it is empty.
func Status(status int, code, message, retryAfter string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		Refuse(w, status, code, message)
	}
}

// Reset reads so many bytes of the request's body and resets the connection.
func Reset(after int64) Fault {
	return func(w http.ResponseWriter, req *http.Request, _ http.Handler) {
		_, _ = io.CopyN(io.Discard, req.Body, after)
		reset(w)
	}
}

// ResetAnswer lets the registry act, and resets the connection after so many bytes of its answer's body.
func ResetAnswer(after int) Fault {
	return func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		answer := &cutAnswer{ResponseWriter: w, left: after}
		next.ServeHTTP(answer, req)
		_ = http.NewResponseController(w).Flush()
		reset(w)
	}
}

// CloseConnection ends the connection in order, as Amazon ECR does to an upload to a repository that does not exist:
// the client sees EOF.
func CloseConnection(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

// Stall reads the request and answers nothing until the client is gone.
func Stall(_ http.ResponseWriter, req *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, req.Body)
	<-req.Context().Done()
}

// Lose says 201 and stores nothing.
func Lose(w http.ResponseWriter, req *http.Request, _ http.Handler) {
	content, _ := io.ReadAll(req.Body)
	w.Header().Set("Docker-Content-Digest", digest.FromBytes(content).String())
	w.Header().Set("Location", req.URL.Path)
	w.WriteHeader(http.StatusCreated)
}

// Digest lets the registry act, and puts another digest into the header of its answer.
func Digest(other string) Fault {
	return func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		next.ServeHTTP(&otherDigest{w, other}, req)
	}
}

// reset closes the connection so that the peer gets an RST.
func reset(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}

// cutAnswer writes the beginning of an answer.
type cutAnswer struct {
	http.ResponseWriter
	left int
}

// Write implements http.ResponseWriter.
func (c *cutAnswer) Write(p []byte) (int, error) {
	part := p[:min(len(p), c.left)]
	c.left -= len(part)
	if _, err := c.ResponseWriter.Write(part); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Unwrap returns the writer behind, for http.ResponseController.
func (c *cutAnswer) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// otherDigest writes an answer with another digest in its header.
type otherDigest struct {
	http.ResponseWriter
	digest string
}

// WriteHeader implements http.ResponseWriter.
func (o *otherDigest) WriteHeader(status int) {
	o.Header().Set("Docker-Content-Digest", o.digest)
	o.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (o *otherDigest) Write(p []byte) (int, error) {
	o.Header().Set("Docker-Content-Digest", o.digest)
	return o.ResponseWriter.Write(p)
}

// Unwrap returns the writer behind, for http.ResponseController.
func (o *otherDigest) Unwrap() http.ResponseWriter { return o.ResponseWriter }

package provider

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// registryProxy forwards requests to a real registry. It asks for a password, has outages, makes failures, and records
// how each call of the provider changes tags.
type registryProxy struct {
	*registrytest.Registry
	inner http.Handler // the registry, without faults

	mu         sync.Mutex
	password   string
	outage     outage
	call       *providerCall // the call that is in progress; nil between calls
	clientDead bool          // the client was killed, or its network cut: no request gets through
}

// outage is a fault of a registry that lasts until a step ends it.
type outage int

const (
	healthy   outage = iota
	down             // it answers 503 to the provider, not to BuildKit, which would retry for seconds
	readOnly         // it refuses every write
	immutable        // it refuses to move an existing tag
	outageCount
)

func newRegistryProxy(password string) (*registryProxy, error) {
	r, err := registrytest.Start("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	proxy := &registryProxy{Registry: r, password: password}
	r.Wrap(func(next http.Handler) http.Handler {
		proxy.inner = next
		return http.HandlerFunc(proxy.handle)
	})
	return proxy, nil
}

func (proxy *registryProxy) setOutage(o outage) {
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	proxy.outage = o
}

func (proxy *registryProxy) currentOutage() outage {
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	return proxy.outage
}

func (proxy *registryProxy) setPassword(password string) {
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	proxy.password = password
}

// begin starts a call. Writes belong to it until end.
func (proxy *registryProxy) begin(call *providerCall) {
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	call.queues = map[string]*queue{}
	proxy.call = call
}

// restore lets requests through again at the start of a command, after a failure cut the previous process off.
func (proxy *registryProxy) restore() {
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	proxy.clientDead = false
}

// end ends the call and returns it. Later writes belong to no call.
func (proxy *registryProxy) end() *providerCall {
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	call := proxy.call
	proxy.call = nil
	return call
}

func (proxy *registryProxy) handle(w http.ResponseWriter, req *http.Request) {
	proxy.mu.Lock()
	dead, outage, password := proxy.clientDead, proxy.outage, proxy.password
	proxy.mu.Unlock()
	_, given, _ := req.BasicAuth()
	ours := strings.HasPrefix(req.UserAgent(), "pulumi-buildkit")
	switch {
	case dead:
		panic(http.ErrAbortHandler)
	case given != password:
		w.Header().Set("Www-Authenticate", `Basic realm="model"`)
		registrytest.Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	case ours && (outage == down || proxy.isBrieflyDown()):
		registrytest.Refuse(w, http.StatusServiceUnavailable, "UNAVAILABLE", "come back later")
	case req.Method == http.MethodGet, req.Method == http.MethodHead:
		proxy.inner.ServeHTTP(w, req)
	case outage == readOnly:
		registrytest.Refuse(w, http.StatusForbidden, "DENIED", "this registry is read only")
	default:
		proxy.write(w, req)
	}
}

// isBrieflyDown tells whether the failure of the call makes the registry answer 503.
func (proxy *registryProxy) isBrieflyDown() bool {
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	return proxy.call != nil && proxy.call.failure.hitsRequest()
}

// write makes a write, unless a failure hits it. Parallel writes to tags happen in the order of their names.
func (proxy *registryProxy) write(w http.ResponseWriter, req *http.Request) {
	tag := tagInPath(req.URL.Path)
	if tag == "" {
		proxy.writeOrFail(w, req, proxy.nextFailure(false), func(w http.ResponseWriter) {
			proxy.inner.ServeHTTP(w, req)
		})
		return
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	wanted := digest.FromBytes(body).String()
	if q := proxy.queue(req.Method, tag, wanted); q != nil {
		defer q.waitTurn(req.Context(), tag)()
	}
	proxy.writeOrFail(w, req, proxy.nextFailure(true), func(w http.ResponseWriter) {
		before := proxy.digestAt(tag)
		moves := req.Method == http.MethodPut && before != "" && before != wanted
		if moves && proxy.currentOutage() == immutable {
			registrytest.Refuse(w, http.StatusBadRequest, "TAG_INVALID",
				"the tag exists and the repository is immutable")
			return
		}
		proxy.inner.ServeHTTP(w, req)
		if after := proxy.digestAt(tag); after != before {
			proxy.addMove(move{req.Method, tag, before, after})
		}
	})
}

// nextFailure counts a write and returns the failure that hits it.
func (proxy *registryProxy) nextFailure(tag bool) failureKind {
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	if proxy.clientDead || proxy.call == nil || proxy.call.canceled {
		return clientGone
	}
	return proxy.call.failure.next(tag)
}

// writeOrFail makes a write with do, or the failure that hits it.
func (proxy *registryProxy) writeOrFail(
	w http.ResponseWriter, req *http.Request, k failureKind, do func(http.ResponseWriter),
) {
	switch k {
	case noFailure:
		do(w)
	case refuseWrite:
		registrytest.Refuse(w, http.StatusForbidden, "DENIED", "not this one")
	case failWrite:
		registrytest.Refuse(w, http.StatusInternalServerError, "UNKNOWN", "something broke")
	case loseWrite:
		success := map[string]int{http.MethodPut: http.StatusCreated, http.MethodDelete: http.StatusAccepted}
		w.WriteHeader(success[req.Method])
	case loseAnswer:
		do(httptest.NewRecorder())
		panic(http.ErrAbortHandler)
	case killBefore, cancelBefore, cutBefore:
		proxy.endClient(k)
		panic(http.ErrAbortHandler)
	case killAfter, cancelAfter, cutAfter:
		do(httptest.NewRecorder())
		proxy.endClient(k)
		panic(http.ErrAbortHandler)
	case clientGone:
		panic(http.ErrAbortHandler)
	}
}

// endClient cancels the call, kills its process or cuts its network, in the middle of a request.
func (proxy *registryProxy) endClient(k failureKind) {
	proxy.mu.Lock()
	call := proxy.call
	call.canceled = true
	proxy.clientDead = k != cancelBefore && k != cancelAfter
	proxy.mu.Unlock()
	switch k {
	case killBefore, killAfter:
		call.kill()
	case cancelBefore, cancelAfter:
		call.cancel()
	}
}

func (proxy *registryProxy) addMove(m move) {
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	if proxy.call != nil {
		proxy.call.moves = append(proxy.call.moves, m)
	}
}

// queue returns the queue of the tag's repository, or nil if the write need not wait.
func (proxy *registryProxy) queue(method, tag, digest string) *queue {
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	if proxy.call == nil || method != http.MethodPut {
		return nil
	}
	repository, _ := splitName(tag)
	if proxy.call.queues[repository] == nil {
		tags := slices.DeleteFunc(slices.Clone(proxy.call.tags), func(t string) bool {
			r, _ := splitName(t)
			return r != repository
		})
		proxy.call.queues[repository] = newQueue(tags, proxy.digestAt, digest)
	}
	return proxy.call.queues[repository]
}

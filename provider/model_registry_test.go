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

// front stands before a real registry, one per world. It asks for a password, has outages, makes the trouble that a step
// asks for, and writes down what every operation of the provider does to tags.
type front struct {
	*registrytest.Registry
	inner http.Handler // the registry itself, to which nothing ever happens

	mu       sync.Mutex
	password string
	outage   outage
	visit    *visit // what the operation that is under way does
	dead     bool   // the process that asks was killed, or its network: nothing of it gets through any more
}

// outage is how a registry is out of order until it is mended.
type outage int

const (
	healthy   outage = iota
	down             // it answers 503; to BuildKit, which tries again for seconds, it does not
	readOnly         // it refuses every write
	immutable        // it lets no tag move that is there
	outages
)

// visit is what one operation of the provider does to the registry.
type visit struct {
	tags    []string // that the operation is to set, such as "app:a"
	trouble *trouble
	kill    func()
	cancel  func()

	moves  []move
	over   bool // the operation was canceled
	queues map[string]*queue
}

// move is a write to a tag that was done. A digest of "" is no tag.
type move struct{ method, tag, before, after string }

func newFront(password string) (*front, error) {
	r, err := registrytest.Start("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &front{Registry: r, password: password}
	r.Wrap(func(next http.Handler) http.Handler {
		f.inner = next
		return http.HandlerFunc(f.handle)
	})
	return f, nil
}

func (f *front) setOutage(o outage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.outage = o
}

func (f *front) state() outage {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.outage
}

func (f *front) setPassword(password string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.password = password
}

// begin is the start of an operation. Until end its writes are counted.
func (f *front) begin(v *visit) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v.queues = map[string]*queue{}
	f.visit = v
}

// mended is the start of a run: of the processes before nothing is left, and the network is there.
func (f *front) mended() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = false
}

// end is what the operation did. What still comes in belongs to none.
func (f *front) end() *visit {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.visit
	f.visit = nil
	return v
}

func (f *front) handle(w http.ResponseWriter, req *http.Request) {
	f.mu.Lock()
	dead, outage, password := f.dead, f.outage, f.password
	f.mu.Unlock()
	_, given, _ := req.BasicAuth()
	ours := strings.HasPrefix(req.UserAgent(), "pulumi-buildkit")
	switch {
	case dead:
		panic(http.ErrAbortHandler)
	case given != password:
		w.Header().Set("Www-Authenticate", `Basic realm="model"`)
		registrytest.Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	case ours && (outage == down || f.blips()):
		registrytest.Refuse(w, http.StatusServiceUnavailable, "UNAVAILABLE", "come back later")
	case req.Method == http.MethodGet, req.Method == http.MethodHead:
		f.inner.ServeHTTP(w, req)
	case outage == readOnly:
		registrytest.Refuse(w, http.StatusForbidden, "DENIED", "this registry is read only")
	default:
		f.write(w, req)
	}
}

// blips tells whether one of the first questions of the run is to have no answer.
func (f *front) blips() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.visit == nil || f.visit.trouble == nil || f.visit.trouble.kind != blip || f.visit.trouble.seen >= f.visit.trouble.at {
		return false
	}
	f.visit.trouble.seen++
	f.visit.trouble.hit = true
	return true
}

// write does a write, or what trouble makes of it. Writes to tags that come side by side are done in the order of their
// names, so that a run can be repeated.
func (f *front) write(w http.ResponseWriter, req *http.Request) {
	tag := tagOf(req.URL.Path)
	if tag == "" {
		f.strike(w, req, f.kind(false), func(w http.ResponseWriter) { f.inner.ServeHTTP(w, req) })
		return
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	if q := f.queue(req.Method, tag, digest.FromBytes(body).String()); q != nil {
		defer q.turn(req.Context(), tag)()
	}
	f.strike(w, req, f.kind(true), func(w http.ResponseWriter) {
		before := f.holds(tag)
		if f.state() == immutable && req.Method == http.MethodPut && before != "" && before != digest.FromBytes(body).String() {
			registrytest.Refuse(w, http.StatusBadRequest, "TAG_INVALID", "the tag exists and the repository is immutable")
			return
		}
		f.inner.ServeHTTP(w, req)
		if after := f.holds(tag); after != before {
			f.moved(move{req.Method, tag, before, after})
		}
	})
}

// kind is the trouble that hits this write.
func (f *front) kind(tag bool) kind {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.visit
	switch {
	case f.dead, v == nil, v.over:
		return gone
	case v.trouble == nil, v.trouble.kind == blip, v.trouble.tags && !tag:
		return calm
	}
	if v.trouble.seen++; v.trouble.seen != v.trouble.at {
		return calm
	}
	v.trouble.hit = true
	return v.trouble.kind
}

func (f *front) strike(w http.ResponseWriter, req *http.Request, k kind, do func(http.ResponseWriter)) {
	switch k {
	case calm:
		do(w)
	case refused:
		registrytest.Refuse(w, http.StatusForbidden, "DENIED", "not this one")
	case failed:
		registrytest.Refuse(w, http.StatusInternalServerError, "UNKNOWN", "something broke")
	case forgotten:
		w.WriteHeader(map[string]int{http.MethodPut: http.StatusCreated, http.MethodDelete: http.StatusAccepted}[req.Method])
	case unanswered:
		do(httptest.NewRecorder())
		panic(http.ErrAbortHandler)
	case killed, canceled, severed:
		f.finish(k)
		panic(http.ErrAbortHandler)
	case killedAfter, canceledAfter, severedAfter:
		do(httptest.NewRecorder())
		f.finish(k)
		panic(http.ErrAbortHandler)
	case gone:
		panic(http.ErrAbortHandler)
	}
}

// finish ends the operation, or its network, from here, in the middle of one of its requests.
func (f *front) finish(k kind) {
	f.mu.Lock()
	v := f.visit
	v.over = true
	f.dead = k != canceled && k != canceledAfter
	f.mu.Unlock()
	switch k {
	case killed, killedAfter:
		v.kill()
	case canceled, canceledAfter:
		v.cancel()
	}
}

func (f *front) moved(m move) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.visit != nil {
		f.visit.moves = append(f.visit.moves, m)
	}
}

// queue is the one of the tag's repository; nil when the write need not wait.
func (f *front) queue(method, tag, digest string) *queue {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.visit == nil || method != http.MethodPut {
		return nil
	}
	repository, _ := parted(tag)
	if f.visit.queues[repository] == nil {
		tags := slices.DeleteFunc(slices.Clone(f.visit.tags), func(t string) bool { r, _ := parted(t); return r != repository })
		f.visit.queues[repository] = newQueue(tags, f.holds, digest)
	}
	return f.visit.queues[repository]
}

package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// The actions that a session logs in for.
const (
	pull     = transport.PullScope
	pushPull = transport.PushScope
	deletion = transport.DeleteScope
)

// maxAnswer bounds a manifest or an image's configuration, in bytes. Registries bound manifests at 4 MiB.
const maxAnswer = 8 << 20

// maxErrorBody bounds the part of an error's answer that is read, in bytes. The library takes no more, and would forget
// the status.
const maxErrorBody = 64 << 10

// session is one repository, with the right to some actions.
type session struct {
	repository name.Repository
	login      *lazyAuth
	client     *http.Client
	timeout    time.Duration // of one try
	waits      fault.Backoff
	watch      Watch
	logger     *slog.Logger
	mirrorOf   string    // the host of which the registry is a mirror; "": none
	seen       *sync.Map // documents by repository@digest, for the lifetime of the client
}

// request is one request below the repository. A path is "manifests/latest" or "blobs/sha256:...".
type request struct {
	method, path string
	accept       string
	contentType  string
	body         []byte
}

// response is an answer read to its end. Its status is 0 when there was none.
type response struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request. For an answer other than 2xx it returns both the response and an error.
//
// It sends the request again, with credentials, after a 401 or 403, and after a 404 that may hide a private repository.
// A registry that lets everybody ping may still want a login, which go-containerregistry's transport learns only for
// the next request. It sends the request once more with a fresh token when the registry refused an old one.
func (s *session) do(ctx context.Context, r request) (response, error) {
	challenged, used := s.login.isChallenged.Load(), s.login.credential()
	resp, err := s.send(ctx, r)
	if !challenged && s.needsLogin(ctx, resp.status) {
		resp, err = s.send(ctx, r)
	}
	if used.Anonymous() { // the request looked it up on its way
		used = s.login.credential()
	}
	if errors.Is(err, fault.ErrUnauthorized) && s.login.renew(used) {
		return s.send(ctx, r)
	}
	return resp, err
}

// needsLogin reports whether a login may change an answer of this status.
func (s *session) needsLogin(ctx context.Context, status int) bool {
	return slices.Contains(challenges, status) || status == http.StatusNotFound && s.login.offer(ctx)
}

// send sends a request, and again while its failure is likely to pass.
func (s *session) send(ctx context.Context, r request) (response, error) {
	var answer response
	err := s.retry(ctx, r.method, func(ctx context.Context) (err error) {
		answer, err = s.sendOnce(ctx, r)
		return err
	})
	return answer, err
}

// retry repeats a request of this method while its failure is likely to pass. try gets a context with the time limit of
// one try, and returns errors of the HTTP client. retry returns those of this package.
func (s *session) retry(ctx context.Context, method string, try func(context.Context) error) error {
	watch := s.watch.watchPause(s.login.host)
	onPause := func(pause fault.Pause) (end func()) {
		pause.Log(ctx, s.logger, s.login.host, method)
		return watch(pause)
	}
	return fault.Retry(ctx, s.waits, onPause, func(ctx context.Context) (bool, error) {
		bounded, stop := s.withTimeout(ctx)
		defer stop()
		err := try(bounded)
		if err == nil {
			return false, nil
		}
		transient, pause := bounded.Err() != nil || fault.IsTransient(err), fault.RetryAfter(err)
		if err = s.peer().explainError(bounded, err); pause > 0 {
			err = &fault.RetryAfterError{Err: err, Pause: pause}
		}
		return transient, err
	})
}

// peer returns what is known of the registry, and the credential that was found for it.
func (s *session) peer() peer {
	given, _ := s.login.result()
	return peer{
		host:       s.login.host,
		repository: s.repository.RepositoryStr(),
		ecr:        s.login.keychain.isECR(s.login.host),
		anonymous:  given.Anonymous(),
		given:      given,
	}
}

// withTimeout returns a context that ends with ctx or after the time limit of one try, with a cause that may be shown.
func (s *session) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	late := fmt.Sprintf("%v: no answer from %s within %s", fault.ErrUnreachable, s.login.host, s.timeout)
	return context.WithTimeoutCause(ctx, s.timeout, fault.New(fault.Silent, late, fault.ErrUnreachable))
}

// sendOnce sends a request and reads its answer. It returns errors of the HTTP client.
func (s *session) sendOnce(ctx context.Context, r request) (response, error) {
	req, err := s.httpRequest(ctx, r)
	if err != nil {
		return response{}, err
	}
	return s.exchange(req)
}

// exchange sends a request and reads its answer, as sendOnce does.
func (s *session) exchange(req *http.Request) (response, error) {
	resp, err := s.client.Do(req)
	if err != nil {
		return response{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := readResponse(resp)
	if err != nil {
		return answer, &url.Error{Op: req.Method, Err: err}
	}
	start := answer.body[:min(len(answer.body), maxErrorBody)]
	again := withBody(resp, bytes.NewReader(start)) //nolint:bodyclose // in memory
	err = transport.CheckError(again, http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent)
	return answer, checkPage(answer, err)
}

// httpRequest returns the request as the HTTP client sends it.
func (s *session) httpRequest(ctx context.Context, r request) (*http.Request, error) {
	scheme, host, repository := s.repository.Scheme(), s.repository.RegistryStr(), s.repository.RepositoryStr()
	address := fmt.Sprintf("%s://%s/v2/%s/%s", scheme, host, repository, r.path)
	if s.mirrorOf != "" { // as containerd and BuildKit tell a mirror of several registries
		address += "?ns=" + url.QueryEscape(s.mirrorOf)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	return req, nil
}

// readResponse reads the whole answer; its caller closes the body. It returns errLongAnswer for one that is too long.
func readResponse(resp *http.Response) (response, error) {
	answer := response{status: resp.StatusCode, header: resp.Header}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return answer, err
	}
	if len(body) > maxAnswer {
		return answer, errLongAnswer
	}
	answer.body = body
	return answer, nil
}

// withBody returns a copy of a response with another body.
func withBody(resp *http.Response, body io.Reader) *http.Response {
	other := *resp
	other.Body = io.NopCloser(body)
	return &other
}

// errNotARegistry is a 404 that says nothing about an image: a web server or a proxy wrote it.
var errNotARegistry = errors.New("404 that is no registry's answer")

// checkPage returns errNotARegistry for a web server's 404, and err otherwise. A registry's 404 is empty or JSON.
func checkPage(r response, err error) error {
	body := bytes.TrimSpace(r.body)
	if r.status == http.StatusNotFound && len(body) > 0 && body[0] != '{' {
		return errNotARegistry
	}
	return err
}

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

// maxErrorBody is how much of an error's answer is read, in bytes: the library takes no more, and would forget the status.
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
	seen       *sync.Map // of documents, by repository@digest, for the lifetime of the client
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

// do sends a request; an answer other than 2xx is an error as well as a response. A registry that lets everybody ping may still ask for a
// login now, which go-containerregistry's transport learns only for the next request; or hide from strangers what it has, with a 404 that
// nobody believes who can log in; and a token may have expired.
func (s *session) do(ctx context.Context, r request) (response, error) {
	challenged, used := s.login.challenged.Load(), s.login.credential()
	resp, err := s.send(ctx, r)
	if !challenged && (slices.Contains(challenges, resp.status) || resp.status == http.StatusNotFound && s.login.offer(ctx)) {
		resp, err = s.send(ctx, r)
	}
	if used.Anonymous() { // it was looked up on the way
		used = s.login.credential()
	}
	if errors.Is(err, fault.ErrUnauthorized) && s.login.renew(used) {
		return s.send(ctx, r)
	}
	return resp, err
}

// send sends a request as often as it takes.
func (s *session) send(ctx context.Context, r request) (response, error) {
	var answer response
	err := s.retry(ctx, r.method, func(ctx context.Context) (err error) {
		answer, err = s.sendOnce(ctx, r)
		return err
	})
	return answer, err
}

// sendOnce sends a request and reads its answer. Its errors are those of the HTTP client.
func (s *session) sendOnce(ctx context.Context, r request) (response, error) {
	req, err := s.httpRequest(ctx, r)
	if err != nil {
		return response{}, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return response{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := readResponse(resp)
	if err != nil {
		return answer, &url.Error{Op: r.method, Err: err}
	}
	again := withBody(resp, bytes.NewReader(answer.body[:min(len(answer.body), maxErrorBody)])) //nolint:bodyclose // in memory
	err = transport.CheckError(again, http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent)
	return answer, checkPage(answer, err)
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

func (s *session) httpRequest(ctx context.Context, r request) (*http.Request, error) {
	address := fmt.Sprintf("%s://%s/v2/%s/%s", s.repository.Scheme(), s.repository.RegistryStr(), s.repository.RepositoryStr(), r.path)
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

// withTimeout returns a context that ends with ctx or after the time limit of one try, with a cause that may be shown.
func (s *session) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	late := fmt.Sprintf("%v: no answer from %s within %s", fault.ErrUnreachable, s.login.host, s.timeout)
	return context.WithTimeoutCause(ctx, s.timeout, fault.New(fault.Silent, late, fault.ErrUnreachable))
}

package registry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// The actions that a session logs in for.
const (
	pull     = transport.PullScope
	pushPull = transport.PushScope
	deletion = transport.DeleteScope
)

// maxAnswer bounds a manifest or an image's configuration, in bytes. Registries bound manifests at 4 MiB.
const maxAnswer = 8 << 20

// session is one repository, with the right to some actions.
type session struct {
	repository name.Repository
	login      *lateLogin
	client     *http.Client
	timeout    time.Duration
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
// login now, which go-containerregistry's transport learns only for the next request.
func (s *session) do(ctx context.Context, r request) (response, error) {
	challenged := s.login.challenged.Load()
	resp, err := s.once(ctx, r)
	if slices.Contains(challenges, resp.status) && !challenged {
		return s.once(ctx, r)
	}
	return resp, err
}

func (s *session) once(ctx context.Context, r request) (response, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	req, err := s.httpRequest(ctx, r)
	if err != nil {
		return response{}, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return response{}, s.explain(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := read(resp)
	if err != nil {
		return answer, s.explain(ctx, &url.Error{Op: r.method, Err: err})
	}
	again := *resp
	again.Body = io.NopCloser(bytes.NewReader(answer.body))
	if err := transport.CheckError(&again, http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent); err != nil {
		return answer, s.explain(ctx, page(answer, err))
	}
	return answer, nil
}

// read takes the whole answer; its caller closes the body.
func read(resp *http.Response) (response, error) {
	answer := response{status: resp.StatusCode, header: resp.Header}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return answer, err
	}
	if len(body) > maxAnswer {
		return answer, fmt.Errorf("an answer of more than %d MiB", maxAnswer>>20)
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

// bounded ends with ctx or after the timeout of one request, with a cause that is fit for the user.
func (s *session) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, s.timeout,
		fmt.Errorf("%w: no answer from %s within %s; check the network and try again", ErrUnreachable, s.login.host, s.timeout))
}

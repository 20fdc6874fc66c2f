package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// stallFactor is how many times the limit of a request a transfer may stand still: two minutes by default, because a
// registry stores a large layer before it answers.
const stallFactor = 4

// blobTransfer copies a blob from one repository to another, as often as it takes.
type blobTransfer struct {
	client         *Client
	source, target *session
	blob           ocispec.Descriptor
	mountFrom      string // "": the registry cannot mount it
	// read begins to read the blob; nil: the source has it.
	read func(context.Context) (io.ReadCloser, error)

	most       int64     // bytes that the best try has copied
	lastGained time.Time // when a try last copied more than those before it
	refused    bool      // a registry refused a credential, which was renewed
}

// run copies the blob. It tries again while a failure is likely to pass, until the budget of the client has passed
// without a new byte.
func (t *blobTransfer) run(ctx context.Context) error {
	t.lastGained = time.Now()
	target := t.target
	watch := target.watch.watchPause(target.login.host)
	onPause := func(pause fault.Pause) (end func()) {
		pause.Log(ctx, target.logger, target.login.host, "copy")
		return watch(pause)
	}
	return fault.Retry(ctx, target.waits, onPause, func(ctx context.Context) (bool, error) {
		isTransient, err := t.try(ctx)
		return isTransient && time.Since(t.lastGained) < t.client.options.Budget, err
	})
}

// try mounts or copies the blob once. transient says whether the error is likely to pass.
func (t *blobTransfer) try(ctx context.Context) (transient bool, err error) {
	location, err := t.start(ctx)
	if err != nil || location == nil {
		return false, err // it was tried again already
	}
	bounded, meter, stop := t.withStallLimit(ctx)
	defer stop()
	body, err := t.open(bounded)
	if err != nil {
		return t.explain(bounded, t.source, err)
	}
	defer func() { _ = body.Close() }()
	reader := &blobReader{next: body, meter: meter, want: t.blob.Digest, hash: t.blob.Digest.Algorithm().Hash()}
	err = t.put(bounded, location, reader)
	if copied := meter.total(); copied > t.most {
		t.most, t.lastGained = copied, time.Now()
	}
	return t.judge(bounded, err, reader.failure())
}

// judge returns the error of a transfer, of which each side has its own, and whether it is likely to pass.
func (t *blobTransfer) judge(ctx context.Context, written, read error) (transient bool, err error) {
	_, answered := errors.AsType[*transport.Error](written)
	switch {
	case errors.Is(read, fault.ErrMismatch):
		return false, read
	case written == nil:
		return false, nil
	case answered:
		return t.explain(ctx, t.target, written)
	case errors.Is(read, errBodySent):
		first := !t.refused
		t.refused = true
		return first, t.target.peer().newErrorOf(fault.BrokenConnection, fault.ErrUnreachable, read)
	case read != nil: // the other registry heard of it only
		return t.explain(ctx, t.source, &url.Error{Op: http.MethodGet, Err: read})
	}
	return t.explain(ctx, t.target, written)
}

// start asks for a place for the blob. It returns nil if it was mounted.
func (t *blobTransfer) start(ctx context.Context) (*url.URL, error) {
	ctx, stop := t.client.withBudget(ctx)
	defer stop()
	return t.target.startUpload(ctx, t.blob, t.mountFrom)
}

// explain returns the error of a session, and whether it is likely to pass. A credential that expired on the way is
// renewed, once for each registry.
func (t *blobTransfer) explain(ctx context.Context, s *session, err error) (transient bool, explained error) {
	pause := fault.RetryAfter(err)
	transient = ctx.Err() != nil || fault.IsTransient(err)
	if explained = s.peer().explainError(ctx, err); pause > 0 {
		explained = &fault.RetryAfterError{Err: explained, Pause: pause}
	}
	if errors.Is(explained, fault.ErrUnauthorized) && !t.refused && s.login.renew(s.login.credential()) {
		t.refused, transient = true, true
	}
	return transient, explained
}

// open begins to read the blob.
func (t *blobTransfer) open(ctx context.Context) (io.ReadCloser, error) {
	if t.read != nil {
		return t.read(ctx)
	}
	ctx = context.WithValue(ctx, answerLimit{}, t.blob.Size+1)
	req, err := t.source.httpRequest(ctx, request{method: http.MethodGet, path: "blobs/" + t.blob.Digest.String()})
	if err != nil {
		return nil, err
	}
	resp, err := t.source.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer func() { _ = resp.Body.Close() }()
	start := withBody(resp, io.LimitReader(resp.Body, maxErrorBody)) //nolint:bodyclose // resp is closed
	return nil, transport.CheckError(start, http.StatusOK)
}

// put writes the blob to the location of its upload.
func (t *blobTransfer) put(ctx context.Context, location *url.URL, body io.ReadCloser) error {
	at := *location
	query := at.Query()
	query.Set("digest", t.blob.Digest.String())
	at.RawQuery = query.Encode()
	if t.blob.Size == 0 { // which with a body is no length
		body = http.NoBody
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, at.String(), body)
	if err != nil {
		return err
	}
	req.ContentLength = t.blob.Size
	req.Header.Set("Content-Type", "application/octet-stream")
	_, err = t.target.exchange(req)
	return err
}

// withStallLimit returns a context that ends when the meter has stood still for too long.
func (t *blobTransfer) withStallLimit(ctx context.Context) (context.Context, *byteMeter, context.CancelFunc) {
	limit := stallFactor * t.target.timeout
	ctx, cancel := context.WithCancelCause(ctx)
	timer := rescue.AfterFunc(limit, cancel, func() {
		text := fmt.Sprintf("%v: no byte went from %s to %s within %s", fault.ErrUnreachable,
			t.source.login.host, t.target.login.host, limit)
		cancel(fault.New(fault.Silent, text, fault.ErrUnreachable))
	})
	meter := &byteMeter{touch: func() { timer.Reset(limit) }}
	return ctx, meter, func() { timer.Stop(); cancel(context.Canceled) }
}

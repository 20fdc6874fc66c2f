package registry

import (
	"errors"
	"hash"
	"io"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
)

// blobReader reads a blob on its way from one registry to another. It fails at the end of other bytes than those of the
// digest. The HTTP client reads it in a goroutine of its own.
type blobReader struct {
	next  io.Reader
	meter *byteMeter
	want  digest.Digest
	hash  hash.Hash

	closed atomic.Bool
	failed atomic.Pointer[error]
}

// errBodySent is the error of a second request with the same body. The transport of a login sends a request again after
// a 401, and takes the body for one that can be read again.
var errBodySent = errors.New("the login expired on the way")

// Read implements io.Reader.
func (r *blobReader) Read(p []byte) (int, error) {
	if r.closed.Load() {
		return 0, r.fail(errBodySent)
	}
	n, err := r.next.Read(p)
	_, _ = r.hash.Write(p[:n]) // never fails
	r.meter.add(n)
	switch {
	case err == nil:
		return n, nil
	case err != io.EOF:
		return n, r.fail(err)
	}
	if got := digest.NewDigest(r.want.Algorithm(), r.hash); got != r.want {
		return n, r.fail(newMismatch(r.want, got))
	}
	return n, io.EOF
}

// Close implements io.Closer.
func (r *blobReader) Close() error {
	r.closed.Store(true)
	return nil
}

// fail keeps the first error.
func (r *blobReader) fail(err error) error {
	r.failed.CompareAndSwap(nil, &err)
	return err
}

// failure returns the first error of Read, or nil.
func (r *blobReader) failure() error {
	if failed := r.failed.Load(); failed != nil {
		return *failed
	}
	return nil
}

// byteMeter counts the bytes of a try.
type byteMeter struct {
	bytes atomic.Int64
	touch func() // after each read that gave some
}

func (m *byteMeter) add(n int) {
	if n > 0 {
		m.bytes.Add(int64(n))
		m.touch()
	}
}

func (m *byteMeter) total() int64 { return m.bytes.Load() }

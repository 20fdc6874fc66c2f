package inputs

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// dryReference is the result of a solve that did not happen. The frontend can read the Dockerfile and ignore files from
// it, and nothing else. Where the frontend reads what a solve would first have to build, a prediction is uncertain.
type dryReference struct{ files map[string][]byte }

// ToState returns an empty state.
func (r *dryReference) ToState() (llb.State, error) { return llb.Scratch(), nil }

// Evaluate does nothing.
func (r *dryReference) Evaluate(context.Context) error { return nil }

// ReadFile reads a Dockerfile or an ignore file.
func (r *dryReference) ReadFile(_ context.Context, req gateway.ReadRequest) ([]byte, error) {
	return rescue.Value(func() ([]byte, error) { return r.read(req) })
}

func (r *dryReference) read(req gateway.ReadRequest) ([]byte, error) {
	if r.files == nil {
		return nil, fmt.Errorf("%w: %s would have to be built first", errUncertain, req.Filename)
	}
	data, ok := r.files[req.Filename]
	if !ok {
		return nil, &fs.PathError{Op: "read", Path: req.Filename, Err: fs.ErrNotExist}
	}
	if req.Range == nil {
		return data, nil
	}
	from := min(req.Range.Offset, len(data))
	return data[from:min(len(data), from+req.Range.Length)], nil
}

// StatFile returns the size of a Dockerfile or an ignore file, and the errors of ReadFile.
func (r *dryReference) StatFile(ctx context.Context, req gateway.StatRequest) (*fstypes.Stat, error) {
	data, err := r.ReadFile(ctx, gateway.ReadRequest{Filename: req.Path})
	if err != nil {
		return nil, err
	}
	return &fstypes.Stat{Path: req.Path, Size: int64(len(data)), Mode: 0o644}, nil
}

// ReadDir refuses: no Dockerfile needs it.
func (r *dryReference) ReadDir(context.Context, gateway.ReadDirRequest) ([]*fstypes.Stat, error) {
	return nil, errUncertain
}

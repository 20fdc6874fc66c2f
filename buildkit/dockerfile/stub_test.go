package dockerfile

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	fstypes "github.com/tonistiigi/fsutil/types"
)

func TestMain(m *testing.M) {
	if handled, code := RunChild(os.Args[1:]); handled {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// stub is a gateway on which every local source has the Dockerfile and every image the same configuration.
type stub struct {
	gateway.Client
	source  Source
	options map[string]string
	config  dockerspec.DockerOCIImageConfig

	mu     sync.Mutex
	warned int
	last   string
	solved []string
}

func newStub(text string) *stub {
	return &stub{
		source:  Source{Name: "Dockerfile", Text: []byte(text)},
		options: map[string]string{"filename": "Dockerfile"},
	}
}

// greedy has images that add as much as the bound assumes.
func greedy(text string) *stub {
	s := newStub(text)
	s.config.Shell = []string{strings.Repeat("s", baseBytes/4)}
	s.config.WorkingDir = "/" + strings.Repeat("w", baseBytes/4)
	s.config.Env = []string{"B=" + strings.Repeat("x", baseBytes/4)}
	for len(s.config.Env) < baseEnv/2 {
		s.config.Env = append(s.config.Env, strings.Repeat("e", 3+len(s.config.Env)/10)+"=v")
	}
	return s
}

func (s *stub) BuildOpts() gateway.BuildOpts {
	return gateway.BuildOpts{
		Opts:    s.options,
		Workers: []gateway.WorkerInfo{{Platforms: []ocispecs.Platform{{OS: "linux", Architecture: "amd64"}}}},
		LLBCaps: pb.Caps.CapSet(pb.Caps.All()),
		Caps:    gatewaypb.Caps.CapSet(gatewaypb.Caps.All()),
	}
}

func (s *stub) Solve(_ context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.solved = append(s.solved, req.Frontend)
	result := gateway.NewResult()
	result.SetRef(&stubRef{text: s.source.Text})
	return result, nil
}

func (s *stub) ResolveImageConfig(
	_ context.Context, ref string, _ sourceresolver.Opt,
) (string, digest.Digest, []byte, error) {
	image := dockerspec.DockerOCIImage{Config: s.config}
	image.OS, image.Architecture = "linux", "amd64"
	config, err := json.Marshal(image)
	return ref, digest.FromBytes(config), config, err
}

func (s *stub) ResolveSourceMetadata(
	_ context.Context, op *pb.SourceOp, _ sourceresolver.Opt,
) (*sourceresolver.MetaResponse, error) {
	return &sourceresolver.MetaResponse{Op: op}, nil
}

func (s *stub) Warn(_ context.Context, _ digest.Digest, text string, _ gateway.WarnOpts) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.warned++
	s.last = text
	return nil
}

func (s *stub) Inputs(context.Context) (map[string]llb.State, error) { return nil, nil }

type stubRef struct {
	gateway.Reference
	text []byte
}

func (r *stubRef) ReadFile(_ context.Context, req gateway.ReadRequest) ([]byte, error) {
	if req.Filename != "Dockerfile" {
		return nil, &fs.PathError{Op: "read", Path: req.Filename, Err: fs.ErrNotExist}
	}
	return r.text, nil
}

func (r *stubRef) StatFile(_ context.Context, req gateway.StatRequest) (*fstypes.Stat, error) {
	return &fstypes.Stat{Path: req.Path, Size: int64(len(r.text))}, nil
}

// measuresMemory skips a test under the race detector, which takes memory and time of its own. make test runs it
// without.
func measuresMemory(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("run without -race, as make test does too")
	}
}

// resolvesSideBySide skips a test of several base images under the race detector. BuildKit's frontend writes a flag of
// its cache without a lock (frontend/dockerfile/builder/resolvecache.go), always the same value. make test runs it
// without.
func resolvesSideBySide(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("run without -race, as make test does too")
	}
}

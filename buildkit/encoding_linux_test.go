package buildkit_test

import (
	"archive/tar"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// serveDockerfile serves an archive with one Dockerfile and returns a plan whose context it is. Only the daemon reads
// it.
func serveDockerfile(t *testing.T, dockerfile string) inputs.Plan {
	t.Helper()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		archive := tar.NewWriter(w)
		_ = archive.WriteHeader(&tar.Header{Name: "Dockerfile", Mode: 0o644, Size: int64(len(dockerfile))})
		_, _ = archive.Write([]byte(dockerfile))
		_ = archive.Close()
	}))
	t.Cleanup(site.Close)
	return inputs.Plan{Files: inputs.Files{Context: site.URL + "/app.tar"}}
}

// The encoding of a Dockerfile that only the daemon reads is checked by the build.
func TestEncodingOfARemoteDockerfile(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	for name, c := range map[string]struct{ text, want string }{
		"UTF-16": {
			"\xff\xfeF\x00R\x00O\x00M\x00 \x00x\x00\n\x00",
			"the Dockerfile of the remote context: line 1: the text is UTF-16LE, and BuildKit reads UTF-8",
		},
		"Latin-1": {
			"FROM " + s.base + "\nRUN echo caf\xe9\n",
			"the Dockerfile of the remote context: the text is not UTF-8, which BuildKit reads",
		},
		"an unknown instruction": {"FROM " + s.base + "\nCAF\xc9 x\n", `line 2: unknown instruction: CAF\xc9`},
		"no step with the text":  {"# caf\xe9\nFROM scratch\nLABEL a=caf\xe9\nCOPY Dockerfile /\n", ""},
		"a step that speaks of it": {
			"FROM " + s.base + "\nRUN : string field contains invalid UTF-8; false\n", "exit code 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := s.solve(t.Context(), serveDockerfile(t, c.text), buildkit.Access{})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// If the prediction is not certain, the build returns the error about the encoding, with the line.
func TestEncodingErrorOfTheBuild(t *testing.T) {
	t.Parallel()
	s := newStepBuilder(t)
	plan := s.plan(t, "FROM base AS x-"+runtime.GOARCH+"\nRUN echo caf\xe9\nFROM x-$BUILDARCH\n")
	if _, err := inputs.Load(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	_, err := s.solve(t.Context(), plan, buildkit.Access{})
	if e, ok := errors.AsType[*inputs.EncodingError](err); !ok || e.Line != 5 || e.Byte != 0xe9 {
		t.Errorf("got %v", err)
	}
}

//go:build linux

package reliability

import (
	"net/http"
	"testing"
)

// A repeat uploads no blob that its repository has. The registry may have still committed a blob of the cache when the
// command was killed.
func TestARepeatUploadsNoBlobAgain(t *testing.T) {
	t.Parallel()
	app, cache := repositoryBlob{"app", "sha256:01234567…"}, repositoryBlob{"cache", "sha256:01234567…"}
	upload := func(blob repositoryBlob, answered bool) requestLine {
		return requestLine{
			method: http.MethodPut, path: "/v2/" + blob.repository + "/blobs/uploads/… digest=" + blob.digest,
			answered: answered,
		}
	}
	for name, c := range map[string]struct {
		held          repositoryBlob
		earlier, line requestLine
		wantViolation bool
	}{
		"the image again":            {app, upload(app, false), upload(app, true), true},
		"the cache again":            {cache, upload(cache, true), upload(cache, true), true},
		"another repository":         {app, upload(app, true), upload(cache, true), false},
		"the cache after its commit": {cache, upload(cache, false), upload(cache, true), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line := c.line
			j := &judge{
				world: &world{point: &registryPoint{lines: []*requestLine{&line}}}, old: &snapshot{},
				step: upTo("Image", "NEW"), earlier: []requestLine{c.earlier},
			}
			j.checkWork(outcome{killed: true, err: http.ErrServerClosed}, outcome{},
				map[repositoryBlob]bool{c.held: true})
			if got := len(j.broken) > 0; got != c.wantViolation {
				t.Errorf("violations: %q", j.broken)
			}
		})
	}
}

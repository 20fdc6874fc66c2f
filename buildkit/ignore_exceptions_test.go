package buildkit_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/tonistiigi/fsutil"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// BuildKit's own client sends a file empty if an ignore file excludes its folder, excepts the file, and excludes the
// folder again in other words: see recordingFS.
//
// If this test fails because the image of BuildKit's client has the content, fsutil has changed. Then recordingFS and
// source.Server need not bypass its filters any longer.
func TestBuildKitsClientEmptiesAnIgnoreException(t *testing.T) {
	t.Parallel()
	d := differential{c: daemonClient(t), registry: registrytest.New(t)}
	for _, again := range []string{"**/d", "d*", "*", "d", "?"} {
		t.Run(again, func(t *testing.T) {
			t.Parallel()
			p := newProject(
				t,
				map[string]string{
					"Dockerfile": "FROM scratch\nCOPY . /x/\n", ".dockerignore": "d\n!d/x.log\n" + again + "\n",
				},
			)
			context, err := fsutil.NewFS(p.plan.Files.Context)
			if err != nil {
				t.Fatal(err)
			}
			opt := p.oracleOptions(nil)
			opt.Session, opt.LocalMounts = nil, map[string]fsutil.FS{"context": context, "dockerfile": context}
			files, err := d.solveImage(t.Context(), opt)
			if err != nil {
				t.Fatal(err)
			}
			empty := sha256.Sum256(nil)
			if !strings.Contains(files["x/d/x.log"], fmt.Sprintf("%x", empty[:6])) {
				t.Errorf("x/d/x.log is %q, not empty", files["x/d/x.log"])
			}
		})
	}
}

//go:build linux

package e2e

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// phases holds points of an update at which it waits until it is interrupted.
var phases = map[string]func(t *testing.T) *phase{
	"hashing": whileHashing,
	"dialing": whileDialing,
	"sending": whileSending,
	"pushing": atRequest("it was pushing layers to HOST/app for [^;]*; a part of the image may have been pushed, "+
		"and no tag moved",
		func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/blobs/uploads/") }),
	"verifying": atRequest("it was verifying the image, waiting for HOST to answer GET "+
		"/v2/app/manifests/sha256:[0-9a-f]{12}… for "+
		"[^;]*; the image was pushed and no tag moved",
		func(r *http.Request) bool { return r.Method == http.MethodGet && isDigestRequest(r) }),
	"tagging": atRequest("it was moving tags, waiting for HOST to answer PUT /v2/app/manifests/1 for "+
		"[^;]*; the image was pushed and no tag moved", isTagRequest),
	"asking":  whileAsking,
	"pulling": whilePulling,
	"helper":  whileHelperHangs,
	"pausing": whilePausing,
}

// In each phase of an update, Ctrl-C ends it within 5 s. The error says what it waited for, no tag has moved, and the
// state has no image that does not exist. TestCtrlCEndsALongStep covers steps of the Dockerfile.
func TestCtrlCEndsEveryPhase(t *testing.T) {
	t.Parallel()
	for name, prepare := range phases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := prepare(t)
			s := stack.New(t, stack.Config{
				Bin: shared.Bin, Daemon: shared.Daemon, Idle: 5 * time.Second, Env: at.env,
				Program: project(t, at.properties,
					map[string]string{"Dockerfile": cmp.Or(at.dockerfile, "FROM scratch\nCOPY . /\n")}),
			})
			if at.files != nil {
				at.files(t, s.Dir)
			}
			p := s.StartUp("--skip-preview")
			if err := stack.WaitUntil(t.Context(), 30*time.Second, func() bool { return at.reached(s) }); err != nil {
				t.Fatalf("%v: the update never came to %s", err, name)
			}
			defer time.AfterFunc(20*time.Second, func() { _ = p.Kill() }).Stop() // the test has failed by then
			pressed := time.Now()
			if err := p.Interrupt(); err != nil {
				t.Fatal(err)
			}
			result, err := p.Wait()
			if took := time.Since(pressed); err != nil || result.Code <= 0 || took > 5*time.Second {
				t.Errorf("back after %s with exit code %d, %v, want 5 s at most and a failure:\n%s", took, result.Code,
					err, result.All())
			}
			if !regexp.MustCompile(`error: canceled after [^:]*: ` +
				strings.ReplaceAll(at.want, "DIR", regexp.QuoteMeta(s.Dir))).MatchString(result.All()) {
				t.Errorf("the output lacks %q:\n%s", at.want, result.All())
			}
			if left := s.Export(); len(left) != 0 {
				t.Errorf("state: %+v", left)
			}
			if at.registry != nil && slices.ContainsFunc(at.registry.Requests(), func(r registrytest.Request) bool {
				return r.Method == http.MethodPut && strings.HasSuffix(r.Path, "/manifests/1") && r.Status < 300
			}) {
				t.Error("the tag was moved")
			}
		})
	}
}

// phase describes a point at which an update waits until it is interrupted.
type phase struct {
	properties string
	dockerfile string   // default: one that reads the context
	env        []string // for the CLI
	want       string   // a pattern; DIR is the folder of the program
	files      func(t *testing.T, dir string)
	reached    func(s *stack.Test) bool
	registry   *registrytest.Registry
}
